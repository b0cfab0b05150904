"""Data sets from files: read as published, split for ever, refused with a word on what to do."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bonanza.worker import data
from bonanza.worker.data.batches import Batches, cifar10, cifar100, imagenet16
from bonanza.worker.data.digits import Digits
from bonanza.worker.data.images import Images, Part
from bonanza.worker.data.npz import Npz
from bonanza.worker.data.place import UnusableData
from bonanza.worker.data.split import split
from bonanza.worker.protocols import DIGITS, PROXY

CPU = torch.device("cpu")
SHARES = (0.6, 0.2, 0.2)
rng = np.random.default_rng(0)


def images(
    n: int = 40, classes: int = 4, side: int = 6, channels: int = 3
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return rng.integers(0, 256, (n, side, side, channels), dtype=np.uint8), np.arange(n) % classes


def write_npz(path: Path, **changed: Any) -> Path:
    arrays = dict(zip(("x_train", "y_train"), images(), strict=True)) | dict(
        zip(("x_test", "y_test"), images(12), strict=True)
    )
    np.savez(path, **{name: array for name, array in (arrays | changed).items() if array is not None})
    return path


def protocol(**changed: Any) -> Any:
    return PROXY.changed({"batch": 8, **changed})


@given(labels=st.lists(st.integers(0, 4), max_size=200), seed=st.integers(0, 2**32))
def test_a_split_is_a_partition_with_every_class_in_its_share(labels: list[int], seed: int) -> None:
    parts = split(labels, SHARES, seed)
    assert sorted(index for part in parts for index in part) == list(range(len(labels)))
    for label in set(labels):
        total = labels.count(label)
        for part, share in zip(parts, SHARES, strict=True):
            assert abs(sum(labels[index] == label for index in part) - share * total) <= 1


def test_a_split_is_the_same_for_ever() -> None:
    """It is part of the protocol: were it to move, old and new results of a study could not be compared."""
    parts = split([number % 10 for number in range(1_797)], SHARES, 0)
    assert hashlib.sha256(repr(parts).encode()).hexdigest()[:16] == "8c4db9da952f7d15"


def test_the_digits_in_their_parts_share_no_image_and_are_the_whole_set() -> None:
    found = Images.of(Digits(), DIGITS.changed({"test": True}), CPU)
    assert found.test is not None
    parts = [found.train, found.measured, found.test]
    assert [len(part) for part in parts] == [1_079, 359, 359]
    every = torch.cat([part.images.flatten(1) for part in parts])
    assert len(every.unique(dim=0)) == len(every) == 1_797
    assert (found.classes, found.shape, found.mirrors) == (10, (1, 8, 8), False)


def test_the_test_part_of_the_digits_is_the_same_whatever_the_split() -> None:
    one, other = (Images.of(Digits(), DIGITS.changed({"test": True, "split_seed": seed}), CPU) for seed in (0, 1))
    assert one.test is not None
    assert other.test is not None
    assert torch.equal(one.test.images, other.test.images)
    assert not torch.equal(one.train.images, other.train.images)
    assert one.fingerprint != other.fingerprint


def test_a_search_is_never_given_the_test_part() -> None:
    class NoTest(Digits):
        def test(self) -> Part:
            raise AssertionError("the test part was read")

    assert Images.of(NoTest(), DIGITS, CPU).test is None


def test_images_are_standardised_channel_by_channel_by_those_that_train(tmp_path: Path) -> None:
    found = Images.of(Npz(write_npz(tmp_path / "a.npz")), protocol(), CPU)
    standard = found.standardised(found.train.images)
    assert standard.dtype == torch.float32
    assert torch.allclose(standard.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(standard.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5)


def test_a_channel_of_one_value_stays_finite(tmp_path: Path) -> None:
    black = np.zeros((40, 6, 6, 3), np.uint8)
    found = Images.of(Npz(write_npz(tmp_path / "a.npz", x_train=black)), protocol(), CPU)
    assert torch.equal(found.standardised(found.train.images), torch.zeros(found.train.images.shape))


def test_train_and_validation_together_are_measured_on_the_test_part(tmp_path: Path) -> None:
    found = Images.of(Npz(write_npz(tmp_path / "a.npz")), protocol(fit="train+validation", test=True), CPU)
    assert len(found.train) == 40
    assert found.test is not None
    assert torch.equal(found.measured.images, found.test.images)


@pytest.mark.parametrize(
    ("shape", "expected"), [((40, 5, 7), (1, 5, 7)), ((40, 5, 7, 2), (2, 5, 7)), ((40, 9, 9, 3), (3, 9, 9))]
)
def test_an_npz_may_hold_images_of_any_size_and_channels(
    shape: tuple[int, ...], expected: tuple[int, ...], tmp_path: Path
) -> None:
    x = rng.integers(0, 256, shape, dtype=np.uint8)
    source = Npz(write_npz(tmp_path / "a.npz", x_train=x))
    assert source.training().shape == expected
    assert source.mirrors == (expected[0] == 3)
    first = torch.from_numpy(x[0] if x.ndim == 3 else x[0, ..., 0])
    assert torch.equal(source.training().images[0, 0], first)


def test_an_npz_says_itself_whether_its_images_may_be_mirrored(tmp_path: Path) -> None:
    assert not Npz(write_npz(tmp_path / "a.npz", mirrors=np.array(0))).mirrors


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"y_test": None}, "has no array y_test: it must have x_train, y_train, x_test, y_test"),
        ({"x_train": np.zeros((40, 6, 6, 3))}, r"x_train of .* is float64.*astype\('uint8'\)"),
        ({"x_train": np.zeros((40, 6), np.uint8)}, "must be images N x H x W x C"),
        ({"y_train": np.zeros(39, int)}, "must be 40 whole numbers"),
        ({"y_train": np.linspace(0, 1, 40)}, "must be 40 whole numbers"),
        ({"y_train": np.full(40, -1)}, "the label -1"),
        ({"y_train": np.arange(40) % 4 * 2}, "no training image of class 1"),
        ({"y_test": np.arange(12) % 7}, "images of class 4, which no training image is of"),
        ({"x_test": np.zeros((12, 5, 5, 3), np.uint8)}, r"trains on images of \(3, 6, 6\) and tests on \(3, 5, 5\)"),
        ({"x_train": np.zeros((0, 6, 6, 3), np.uint8), "y_train": np.zeros(0, int)}, "no image to train on"),
        (
            {"x_train": np.zeros((6, 6, 6, 3), np.uint8), "y_train": np.zeros(6, int), "y_test": np.zeros(12, int)},
            "batch of 8 is more than the 5 images",
        ),
    ],
)
def test_an_npz_that_cannot_be_trained_on_is_told_why(changed: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(UnusableData, match=says):
        Images.of(Npz(write_npz(tmp_path / "a.npz", **changed)), protocol(test=True), CPU)


def test_a_file_that_is_cut_short_or_pickled_is_refused(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UnusableData, match="cut short"):
        Npz(path)
    write_npz(tmp_path / "b.npz", x_train=np.array([{"an": "object"}], dtype=object))
    with pytest.raises(UnusableData, match="without pickled objects"):
        Npz(tmp_path / "b.npz")


def batches(folder: Path, *, packed: bool) -> Batches:
    """A little CIFAR of real shape: two training batches and a test batch, as files or as an archive, with their true checksums."""
    names = ["data_batch_1", "data_batch_2", "test_batch"]
    raw = {}
    for number, name in enumerate(names):
        x = rng.integers(0, 256, (20, 3 * 4 * 4), dtype=np.uint8)
        raw[name] = pickle.dumps({"data": x, "labels": [(k + number) % 5 for k in range(20)]}, protocol=2)
    archive = folder / "little.tar.gz"
    folder.mkdir()
    if packed:
        with tarfile.open(archive, "w:gz") as tar:
            for name, content in raw.items():
                info = tarfile.TarInfo(f"little-py/{name}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    else:
        (folder / "little-py").mkdir()
        for name, content in raw.items():
            (folder / "little-py" / name).write_bytes(content)
    sums = {name: hashlib.md5(content).hexdigest() for name, content in raw.items()}
    return Batches(
        name="little",
        folder=folder,
        archive=("little.tar.gz", hashlib.md5(archive.read_bytes()).hexdigest() if packed else ""),
        within="little-py",
        train=tuple((name, sums[name]) for name in names[:2]),
        tests=((names[2], sums[names[2]]),),
        labels="labels",
        side=4,
        classes=4,
        from_where="https://example.org",
    )


@pytest.mark.parametrize("packed", [True, False], ids=["archive", "unpacked"])
def test_official_batches_are_read_from_the_archive_or_unpacked(packed: bool, tmp_path: Path) -> None:
    source = batches(tmp_path / "d", packed=packed)
    train, test = source.training(), source.test()
    assert (len(train), len(test)) == (32, 16), "the fifth class is beyond those of the set"
    assert train.shape == (3, 4, 4)
    assert train.labels[:5].tolist() == [0, 1, 2, 3, 0]
    if packed:
        assert torch.equal(replace(source, folder=tmp_path / "d" / "little.tar.gz").training().images, train.images)


@pytest.mark.parametrize("packed", [True, False], ids=["archive", "unpacked"])
def test_a_batch_that_is_not_the_published_one_is_refused_unread(packed: bool, tmp_path: Path) -> None:
    source = batches(tmp_path / "d", packed=packed)
    path = tmp_path / "d" / ("little.tar.gz" if packed else "little-py/data_batch_2")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(UnusableData, match="is not the published file: its MD5"):
        source.training()


def test_a_pickle_that_would_run_code_is_refused_even_with_the_right_checksum(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    source = batches(tmp_path / "d", packed=False)
    content = pickle.dumps({"data": Evil(), "labels": []}, protocol=2)
    (tmp_path / "d/little-py/test_batch").write_bytes(content)
    with pytest.raises(UnusableData, match="which is no array"):
        replace(source, tests=(("test_batch", hashlib.md5(content).hexdigest()),)).test()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("source", [cifar10, cifar100, imagenet16])
def test_what_is_not_there_is_told_with_where_to_get_it_and_where_to_put_it(source: Any, tmp_path: Path) -> None:
    with pytest.raises(
        UnusableData, match=rf"is not in {tmp_path}: get .* from https://.* and put it there as {tmp_path}/"
    ):
        source(tmp_path).training()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cifar", "no data set 'cifar'.*did you mean 'cifar1"),
        ("npz", "npz needs to know where: write npz:FILE.npz"),
        ("folder", "write folder:FOLDER"),
        ("npz:/no/such/file.npz", "there is no file /no/such/file.npz: numpy.savez"),
        ("folder:/no/such/folder", "there is no folder /no/such/folder"),
    ],
)
def test_a_name_that_leads_nowhere_is_told_what_to_write(name: str, says: str) -> None:
    with pytest.raises(UnusableData, match=says):
        data.image_source(name)


def test_data_without_a_place_is_looked_for_in_bonanza_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONANZA_DATA", str(tmp_path))
    with pytest.raises(UnusableData, match=f"{tmp_path}/cifar100/cifar-100-python.tar.gz"):
        data.image_source("cifar100").training()


def picture(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (30, 20)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


COLOURS = {"blue": (0, 0, 255), "green": (0, 255, 0)}


def test_a_folder_a_class_is_a_class_and_one_in_five_of_each_is_for_the_test(tmp_path: Path) -> None:
    for name, colour in COLOURS.items():
        for k in range(10):
            picture(tmp_path / name / f"{k}.png", colour)
    source = data.image_source(f"folder:{tmp_path}", image_size=8)
    train, test = source.training(), source.test()
    assert (len(train), len(test), train.shape) == (16, 4, (3, 8, 8))
    assert test.labels.tolist() == [0, 0, 1, 1]
    assert test.images[0, :, 0, 0].tolist() == [0, 0, 255]
    assert test.images[3, :, 7, 7].tolist() == [0, 255, 0]


def test_folders_of_train_and_test_and_the_lists_of_mit67_are_obeyed(tmp_path: Path) -> None:
    for name, colour in COLOURS.items():
        picture(tmp_path / "a/train" / name / "0.png", colour)
        picture(tmp_path / "a/test" / name / "1.png", colour)
        picture(tmp_path / "b/Images" / name / "0.png", colour)
        picture(tmp_path / "b/Images" / name / "1.png", colour)
    (tmp_path / "b/TrainImages.txt").write_text("blue/0.png\ngreen/1.png\n")
    (tmp_path / "b/TestImages.txt").write_text("green/0.png\n")
    assert data.image_source(f"folder:{tmp_path}/a", image_size=4).test().labels.tolist() == [0, 1]
    source = data.image_source(f"folder:{tmp_path}/b", image_size=4)
    assert (source.training().labels.tolist(), source.test().labels.tolist()) == ([0, 1], [1])
    (tmp_path / "b/TestImages.txt").write_text("green/7.png\n")
    with pytest.raises(UnusableData, match=r"lists green/7.png, and there is no"):
        data.image_source(f"folder:{tmp_path}/b")


def test_an_image_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "train/a/0.png", (1, 2, 3))
    picture(tmp_path / "test/a/0.png", (1, 2, 3))
    (tmp_path / "train/a/0.png").write_bytes(b"no image")
    with pytest.raises(UnusableData, match=r"train/a/0.png cannot be decoded.*get it again"):
        data.image_source(f"folder:{tmp_path}").training()


def write_text(folder: Path, **texts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for part, text in texts.items():
        (folder / f"{part}.txt").write_text(text)
    return folder


def test_text_is_words_and_ends_of_lines(tmp_path: Path) -> None:
    folder = write_text(tmp_path, train="the cat\n\n sat the\n", valid="the dog\n", test="dog\n")
    found = data.corpus(f"text:{folder}")
    the, cat, end, sat, dog = range(5)
    assert found.train.tolist() == [the, cat, end, end, sat, the, end]
    assert (found.valid.tolist(), found.test.tolist(), found.tokens) == ([the, dog, end], [dog, end], 5)


def test_a_text_that_is_missing_or_not_the_published_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableData, match=r"ptb needs .*ptb.train.txt, which is not there: get Mikolov's"):
        data.corpus(f"ptb:{tmp_path}")
    for part in ("train", "valid", "test"):
        (tmp_path / f"ptb.{part}.txt").write_text("a text\n")
    with pytest.raises(UnusableData, match=r"is not the published ptb: it has \(3, 3, 3\) tokens.*name it text:"):
        data.corpus(f"ptb:{tmp_path}")
