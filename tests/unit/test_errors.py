"""Suggestions for unknown names; files that are whole or not there."""

import errno
import os

import pytest

from course_lib.errors import atomic_path, disk_full_error, nearest, unknown_name_error


def test_nearest_ignores_case_and_orders_by_likeness():
    assert nearest("Blip3", ["llava", "BLIP2", "flamingo"]) == ["BLIP2"]
    assert nearest("opt-smal", ["opt-large", "opt-small", "t5"])[0] == "opt-small"
    assert nearest("xyz", ["llava", "blip2"]) == []


def test_unknown_name_suggests_or_lists():
    error = unknown_name_error("recipe", "blip", ["blip2", "flamingo"])
    assert isinstance(error, ValueError)
    assert str(error) == "Unknown recipe 'blip': did you mean 'blip2'?"
    assert "choose one of 'blip2', 'llava'" in str(
        unknown_name_error("x", "qqq", ["blip2", "llava"])
    )
    assert "and 5 more" in str(unknown_name_error("x", "qqq", [f"name{i}" for i in range(25)]))
    assert "none to choose from" in str(unknown_name_error("x", "qqq", []))


def test_atomic_path_replaces_only_on_success(tmp_path):
    target = tmp_path / "file"
    with atomic_path(target) as path:
        path.write_text("old")
        assert not target.exists()
    with pytest.raises(KeyError), atomic_path(target) as path:
        path.write_text("half")
        raise KeyError
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_atomic_path_keeps_the_usual_permissions(tmp_path):
    (tmp_path / "plain").touch()
    with atomic_path(tmp_path / "file") as path:
        path.chmod(0o600)
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_is_said_so_and_leaves_nothing(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with (
        pytest.raises(OSError, match="No disk space is left") as caught,
        atomic_path(target) as path,
    ):
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.errno == errno.ENOSPC
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["file"]


def test_disk_full_is_recognised_in_wrapped_errors_alone():
    assert disk_full_error("x", RuntimeError("I/O error: full (os error 28)")) is not None
    assert disk_full_error("x", OSError(errno.EACCES, "denied")) is None
    assert disk_full_error("x", RuntimeError("os error 280")) is None
