from __future__ import annotations

import hashlib

import torch
from hypothesis import given
from hypothesis import strategies as st

from bonanza.worker.data import SHARES, digits_test, load_digits, split


@given(labels=st.lists(st.integers(0, 4), max_size=200), seed=st.integers(0, 2**32))
def test_a_split_is_a_partition_with_every_class_in_its_share(labels: list[int], seed: int) -> None:
    parts = split(labels, SHARES, seed)
    assert sorted(index for part in parts for index in part) == list(range(len(labels)))
    for label in set(labels):
        total = labels.count(label)
        for part, share in zip(parts, SHARES, strict=True):
            assert abs(sum(labels[index] == label for index in part) - share * total) <= 1


def test_the_digits_are_split_the_same_way_for_ever() -> None:
    """The split is part of the protocol: were it to move, old and new results of a study could not be compared."""
    parts = split([number % 10 for number in range(1_797)], SHARES, 0)
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()
    assert digest[:16] == "8c4db9da952f7d15"


def test_the_parts_share_no_image_and_are_the_whole_set() -> None:
    data, test = load_digits(), digits_test()
    assert (len(data.train), len(data.validation), len(test)) == (1_078, 360, 359)
    images = torch.cat([part.images.flatten(1) for part in (data.train, data.validation, test)])
    assert len(images) == 1_797
    assert len(images.unique(dim=0)) == 1_797


def test_images_are_standardised_by_the_training_part() -> None:
    train = load_digits().train
    assert train.images.shape[1:] == (1, 8, 8)
    assert abs(float(train.images.mean())) < 1e-5
    assert abs(float(train.images.std()) - 1) < 1e-5
    assert train.labels.unique().tolist() == list(range(10))


def test_another_split_seed_is_another_split() -> None:
    assert not torch.equal(load_digits().train.images, load_digits(split_seed=1).train.images)
