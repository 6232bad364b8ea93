"""heketi's keys: where they come from, what they may be, and who may read them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from preflight.deploy.keys import ADMIN_VARIABLE, USER_VARIABLE, Keys, keys
from preflight.errors import DeployError, UsageError

GIVEN = {ADMIN_VARIABLE: "adminADMIN1", USER_VARIABLE: "userUSER22"}


def test_keys_are_made_and_kept_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "keys" / "one"
    made = keys(folder, {}, None, None)
    assert re.fullmatch("[A-Za-z0-9]{32}", made.admin)
    assert re.fullmatch("[A-Za-z0-9]{32}", made.user)
    assert made.admin != made.user
    assert keys(folder, {}, None, None) == made
    assert {(file.name, file.stat().st_mode & 0o777) for file in folder.iterdir()} == {
        ("admin", 0o600),
        ("user", 0o600),
    }
    assert folder.stat().st_mode & 0o777 == 0o700


def test_two_clusters_have_keys_of_their_own(tmp_path: Path) -> None:
    assert keys(tmp_path / "one", {}, None, None) != keys(tmp_path / "two", {}, None, None)


def test_the_environment_goes_first_and_is_kept(tmp_path: Path) -> None:
    keys(tmp_path, {}, None, None)
    assert keys(tmp_path, GIVEN, None, None) == Keys("adminADMIN1", "userUSER22")
    assert keys(tmp_path, {}, None, None) == Keys("adminADMIN1", "userUSER22")


def test_one_key_of_two_may_be_given(tmp_path: Path) -> None:
    made = keys(tmp_path, {}, None, None)
    assert keys(tmp_path, {USER_VARIABLE: "userUSER22"}, None, None) == Keys(
        made.admin, "userUSER22"
    )


@pytest.mark.parametrize(
    "key", ["short1", "with/slash", "with space1", "ключ12345678", "a&b12345", "1234567890"]
)
def test_what_would_break_gk_deploys_sed_is_refused_and_not_shown(tmp_path: Path, key: str) -> None:
    """D1."""
    with pytest.raises(UsageError, match="letters and digits") as raised:
        keys(tmp_path, {ADMIN_VARIABLE: key}, None, None)
    assert ADMIN_VARIABLE in str(raised.value)
    assert key not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_the_same_key_twice_is_refused(tmp_path: Path) -> None:
    same = dict.fromkeys(GIVEN, "sameSAME11")
    with pytest.raises(UsageError, match="users would be admin"):
        keys(tmp_path, same, None, None)


def test_keys_that_cannot_be_read_or_kept_are_told(tmp_path: Path) -> None:
    (tmp_path / "admin").mkdir()
    with pytest.raises(DeployError, match="cannot be read"):
        keys(tmp_path, {}, None, None)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DeployError, match="cannot be"):
        keys(file / "below", GIVEN, None, None)


def test_no_key_is_in_what_python_shows_of_them() -> None:
    assert "secret" not in repr(Keys("secret1admin", "secret2user"))


RUNNING, STORED = Keys("runningADMIN", "runningUSER1"), Keys("storedADMIN1", "storedUSER11")


def test_a_heketi_that_runs_decides_whatever_was_kept_or_stored(tmp_path: Path) -> None:
    keys(tmp_path, GIVEN, None, None)
    assert keys(tmp_path, {}, RUNNING, STORED) == RUNNING
    assert keys(tmp_path, {}, None, STORED) == RUNNING, "they are kept now"


def test_another_key_than_the_running_heketis_is_refused_and_nothing_is_kept(
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match="heketi runs with another key"):
        keys(tmp_path, GIVEN, RUNNING, STORED)
    assert not list(tmp_path.iterdir())
    same = {ADMIN_VARIABLE: RUNNING.admin}
    assert keys(tmp_path, same, RUNNING, None) == RUNNING


def test_what_a_deployment_from_elsewhere_has_stored_goes_before_new_ones(tmp_path: Path) -> None:
    assert keys(tmp_path / "a", {}, None, STORED) == STORED
    assert keys(tmp_path / "b", GIVEN, None, STORED) == Keys("adminADMIN1", "userUSER22")


def test_empty_files_are_told_as_what_they_are(tmp_path: Path) -> None:
    for name in ("admin", "user"):
        (tmp_path / name).touch()
    with pytest.raises(DeployError, match="are empty"):
        keys(tmp_path, {}, None, None)
