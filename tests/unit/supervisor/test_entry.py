"""What amonsupd says of ground on which it cannot start."""

from __future__ import annotations

from pathlib import Path

import pytest

from amonsup.config.specs import SiteSpec
from amonsup.supervisor import entry


@pytest.mark.parametrize(
    ("key", "place", "says"),
    [
        ("state_dir", "/dev/null", "/dev/null: File exists"),
        ("run_dir", "/proc/none", "/proc/none: No such file or directory"),
        ("socket", "/nowhere/amonsup.sock", "/nowhere: No such file or directory"),
        ("log_dir", "/dev/null", "/dev/null: File exists"),
    ],
)
def test_it_names_the_place_and_what_is_wrong_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, place: str, says: str
) -> None:
    places = {name: str(tmp_path / name) for name in ("conf_d", "run_dir", "state_dir", "log_dir")}
    places |= {"socket": str(tmp_path / "run_dir/amonsup.sock"), key: place}
    assert entry.start(SiteSpec(site="gsi", config_file=str(tmp_path / "amonsup.yaml"), **places)) == 1
    assert capsys.readouterr().err == f"amonsupd: cannot start: {says}\n"


@pytest.mark.parametrize(("names", "says"), [(("a",), "1 service"), (("a", "b"), "2 services"), ((), "0 services")])
def test_a_valid_configuration_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: tuple[str, ...], says: str
) -> None:
    (tmp_path / "conf.d").mkdir(mode=0o755)
    text = "".join(f"  {name}: {{command: /bin/true}}\n" for name in names)
    (tmp_path / "conf.d" / "a.yaml").write_text(f"services:\n{text}")
    config = tmp_path / "amonsup.yaml"
    config.write_text("site: gsi\n")
    assert entry.check(str(config)) == 0
    assert capsys.readouterr().err.endswith(f"valid, {says}\n")
