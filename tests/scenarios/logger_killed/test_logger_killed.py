"""The logger is killed under load, and together with a service that had something to say."""

from __future__ import annotations

from support.site import frozen, kill_hard, until

KILLS = 6
LINES = 200_000


def test_every_line_once_and_in_order(open_site, who):
    site = open_site(who)
    site.puppet("puppet")
    site.start()
    writer = site.pid("writer")
    log = site.log_dir / "writer.log"
    loggers = set()
    for _ in range(KILLS):
        loggers.add(site.running("logger")["logger"])
        size = log.stat().st_size if log.exists() else 0
        # Only a logger that is at work can lose something.
        if not log.exists() or "wrote" not in log.read_text()[-20:]:
            until(lambda size=size: log.exists() and log.stat().st_size > size, "the log grows")
        site.kill("logger")
        site.wait("exited", "logger")
    assert len(loggers) == KILLS
    until(lambda: log.read_text().endswith(f"wrote {LINES}\n"), "the writer's last line arrives")
    assert site.pid("writer") == writer
    assert site.log("writer") == [*map(str, range(LINES)), f"wrote {LINES}"]


def test_last_words_while_nobody_listens(open_site, who):
    site = open_site(who)
    puppet = site.puppet("puppet")
    site.start()
    puppet.tell("print hello")
    until(lambda: site.log("puppet") == ["hello"])
    logger = site.pid("logger")
    with frozen(logger):
        puppet.tell("print these are my last words")
        puppet.tell("print I die")
        kill_hard(puppet.lives()[0], logger)
    until(lambda: len(puppet.lives()) == 2)
    puppet.tell("print born again")
    until(lambda: "born again" in site.log("puppet"))
    assert site.log("puppet") == ["hello", "these are my last words", "I die", "born again"]


def test_last_words_to_a_successor_of_everybody(open_site, who):
    """Logger, service and supervisor at once: only the guardian still holds what was said."""
    site = open_site(who)
    puppet = site.puppet("puppet")
    site.start()
    puppet.tell("print hello")
    pids = site.running("logger", "supervisor")
    with frozen(pids["logger"]):
        puppet.tell("print these are my last words")
        kill_hard(pids["supervisor"], puppet.lives()[0], pids["logger"])
    until(lambda: len(puppet.lives()) == 2)
    puppet.tell("print born again")
    until(lambda: "born again" in site.log("puppet"))
    assert site.log("puppet") == ["hello", "these are my last words", "born again"]


def test_a_life_that_had_been_made_ready_is_heard(open_site, who):
    """The supervisor dies after it has prepared the next life of a service, before it is needed."""
    site = open_site(who)
    puppet = site.puppet("puppet")
    site.start()
    puppet.tell("print first")
    for life in range(1, 4):
        until(lambda life=life: (site.run_dir / "fifo" / f"puppet.{life + 1}").is_symlink(), "the next life is ready")
        site.kill("supervisor")
        kill_hard(puppet.lives()[-1])
        until(lambda life=life: len(puppet.lives()) == life + 1)
        puppet.tell(f"print life {life + 1}")
        until(lambda life=life: site.log("puppet")[-1:] == [f"life {life + 1}"], "it is heard")
    assert site.log("puppet") == ["first", "life 2", "life 3", "life 4"]
