"""A result that was kept is on the disk, and found again however the process ended."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bonanza import spool
from bonanza.spool import Entry, SpoolFile, default_folder


def entry(number: int) -> Entry:
    return Entry(
        "http://bonanza.test", f"/v1/studies/s/trials/{number}/tell", {"lease_token": "t", "value": number / 3}
    )


def reopen(path: Path) -> SpoolFile:
    file = SpoolFile.take_over(path)
    assert file is not None
    return file


def test_an_entry_is_found_again_as_it_was_kept(tmp_path: Path):
    file = SpoolFile.create(tmp_path)
    kept = [entry(n) for n in range(3)]
    for e in kept:
        file.keep(e)
    file.done(kept[1].key)
    file.abandon()
    found = reopen(file.path)
    assert list(found.entries.values()) == [kept[0], kept[2]]
    found.close()


def test_keep_reaches_the_disk_before_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = SpoolFile.create(tmp_path)
    synced: list[bytes] = []
    monkeypatch.setattr(spool.os, "fsync", lambda descriptor: synced.append(file.path.read_bytes()))
    file.keep(entry(0))
    assert len(synced) == 1
    assert json.loads(synced[0])["path"] == entry(0).path
    file.abandon()


def test_a_file_with_nothing_unsent_is_removed(tmp_path: Path):
    file = SpoolFile.create(tmp_path)
    kept = entry(0)
    file.keep(kept)
    file.done(kept.key)
    file.close()
    assert list(tmp_path.iterdir()) == []


def test_a_living_owner_keeps_its_file(tmp_path: Path):
    file = SpoolFile.create(tmp_path)
    file.keep(entry(0))
    assert SpoolFile.take_over(file.path) is None
    file.close()
    reopen(file.path).close()


def test_a_file_removed_by_its_last_owner_is_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    owner = SpoolFile.create(tmp_path)
    path = owner.path
    really_open = os.open

    def open_just_before_it_is_removed(name: Path, *rest: int) -> int:
        descriptor = really_open(name, *rest)
        owner.close()
        return descriptor

    monkeypatch.setattr(spool.os, "open", open_just_before_it_is_removed)
    assert SpoolFile.take_over(path) is None


def test_only_the_owner_may_read_what_holds_lease_tokens(tmp_path: Path):
    folder = tmp_path / "spool"
    file = SpoolFile.create(folder)
    file.keep(entry(0))
    aside = file.refuse(next(iter(file.entries.values())), "no")
    assert folder.stat().st_mode & 0o077 == 0
    assert file.path.stat().st_mode & 0o077 == 0
    assert aside.stat().st_mode & 0o077 == 0
    file.close()


def test_what_is_refused_is_kept_aside_with_the_reason(tmp_path: Path):
    file = SpoolFile.create(tmp_path)
    kept = entry(7)
    file.keep(kept)
    aside = file.refuse(kept, "there is no study 's'", {"status": 404})
    file.close()
    assert [path.suffix for path in tmp_path.iterdir()] == [".refused"]
    line = json.loads(aside.read_text())
    assert line["entry"]["body"]["value"] == 7 / 3
    assert (line["reason"], line["problem"]) == ("there is no study 's'", {"status": 404})


def test_a_line_that_cannot_be_read_is_shown_not_dropped(tmp_path: Path):
    file = SpoolFile.create(tmp_path)
    kept = entry(0)
    file.keep(kept)
    file.abandon()
    file.path.write_bytes(b'{"half": \n' + file.path.read_bytes())
    found = reopen(file.path)
    assert found.unreadable == ['{"half": ']
    assert list(found.entries.values()) == [kept]
    found.done(kept.key)
    found.close()
    assert found.path.exists()


actions = st.lists(st.tuples(st.sampled_from(["keep", "keep", "done"]), st.integers(0, 5)), max_size=12)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(actions=actions, data=st.data())
def test_a_crash_at_any_byte_loses_only_what_was_not_kept_yet(
    tmp_path: Path, actions: list[tuple[str, int]], data: st.DataObject
):
    file = SpoolFile.create(tmp_path)
    states = [(0, dict(file.entries))]  # what must be found once so many bytes are on the disk
    for action, number in actions:
        if action == "keep":
            file.keep(entry(number))
        elif file.entries:
            file.done(list(file.entries)[number % len(file.entries)])
        states.append((file.path.stat().st_size, dict(file.entries)))
    file.abandon()
    size = data.draw(st.integers(0, states[-1][0]))
    os.truncate(file.path, size)
    found = reopen(file.path)
    assert found.entries == [entries for written, entries in states if written <= size][-1]
    assert found.unreadable == []
    late = entry(99)
    found.keep(late)  # what comes after a line cut short begins a line of its own
    found.abandon()
    again = reopen(file.path)
    assert late.key in again.entries
    assert again.unreadable == []
    again.abandon()
    file.path.unlink()


def test_a_disk_that_takes_half_a_line_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = SpoolFile.create(tmp_path)
    kept, refused = entry(0), entry(1)
    file.keep(kept)
    really_write = os.write
    monkeypatch.setattr(spool.os, "write", lambda descriptor, line: really_write(descriptor, line[:10]))
    with pytest.raises(OSError, match="full"):
        file.keep(refused)
    monkeypatch.undo()
    assert refused.key not in file.entries
    file.keep(refused)
    file.abandon()
    found = reopen(file.path)
    assert list(found.entries) == [kept.key, refused.key]
    assert found.unreadable == []
    found.abandon()


def test_the_folder_is_the_one_named_or_the_users_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("BONANZA_SPOOL", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".local/state/bonanza/spool"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert default_folder() == tmp_path / "state/bonanza/spool"
    monkeypatch.setenv("BONANZA_SPOOL", str(tmp_path / "here"))
    assert default_folder() == tmp_path / "here"
