"""amonsup.yaml edited and not applied: `status` says it, a restart of amonsupd changes nothing about it."""

from __future__ import annotations


def test_an_edit_of_amonsup_yaml_is_noticed(open_site, who):
    site = open_site(who).start()
    assert site.warnings() == ""
    site.config_file.write_text(site.config_file.read_text() + "tags: [de]\n")
    assert "amonsup.yaml differs from what is applied" in site.warnings()
    assert site.ask("apply", dry_run=True)["site_changes"] == ["tags"]
    assert site.shut_down() == 0
    site.start()
    assert "amonsup.yaml differs from what is applied" in site.warnings()
    assert site.do("apply")["note"] == "amonsup.yaml changed: tags"
    assert site.warnings() == ""
