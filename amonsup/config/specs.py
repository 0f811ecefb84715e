"""The checked, frozen form of amonsup.yaml and conf.d: what everybody behind the one door works with.

A spec says what was asked for, in units the code can use: durations are seconds in fields that end in `_s`,
sizes are bytes in fields that end in `_bytes`, signals are numbers, a command is a tuple of words. Nothing
behind the door sees a dict, a duration as text, or None for 'default': None stands only where the
vocabulary itself says 'none'.

Specs are compared (an apply plans by comparing them), encoded to JSON (the applied configuration in
state_dir) and decoded again, so every field has a type that msgspec knows. `omit_defaults` keeps the file,
and the memory of a thousand services, small: what was not said shares one default object.
"""

from __future__ import annotations

import enum

import msgspec

from amonsup.config.roles import Role
from amonsup.config.xmpp_specs import XmppSpec

__all__ = ["Role"]


class ServiceType(enum.Enum):
    """How a service says that it is up (systemd.service(5), Type=)."""

    SIMPLE = "simple"
    NOTIFY = "notify"
    ONESHOT = "oneshot"
    FORKING = "forking"


class RestartPolicy(enum.Enum):
    """After which ends a service is started again (Compose: restart)."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    UNLESS_STOPPED = "unless-stopped"
    NO = "no"


class Condition(enum.Enum):
    """What a dependant waits for in its dependency (Compose: depends_on.condition)."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


class Dependency(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of depends_on. `restart`: this service is restarted after the dependency was."""

    name: str
    condition: Condition = Condition.STARTED
    restart: bool = False


class Backoff(msgspec.Struct, frozen=True, omit_defaults=True):
    """Delays before the 1st, 2nd, 3rd … consecutive restart: initial, step, step*factor … up to max.

    A life of at least `reset_after_s` starts the count again. Each delay varies by ± jitter, a share, 0 … 1.
    """

    initial_s: float = 0.0
    step_s: float = 1.0
    factor: float = 2.0
    max_s: float = 300.0
    jitter: float = 0.1
    reset_after_s: float = 60.0


class StartLimit(msgspec.Struct, frozen=True):
    """The start beyond `count` starts within `within_s` is not made: the service becomes fatal."""

    count: int
    within_s: float


class Healthcheck(msgspec.Struct, frozen=True, omit_defaults=True):
    """Exactly one of test (argv), shell (text), http (URL), tcp (HOST:PORT) is set."""

    test: tuple[str, ...] = ()
    shell: str = ""
    http: str = ""
    tcp: str = ""
    interval_s: float = 30.0
    timeout_s: float = 5.0
    retries: int = 3
    start_period_s: float = 20.0
    on_failure: str = "restart"


class WatchRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule over log lines: either the name of a built-in set, or an RE2 pattern and what a match does."""

    builtin: str = ""
    match: str = ""
    then: str = "alert"
    every_s: float = 0.0

    @property
    def name(self) -> str:
        """What it is called: the set's name, or the pattern."""
        return self.builtin or self.match


class Logging(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a service's output is kept. max_total_bytes 0: unbounded."""

    capture: bool = True
    max_size_bytes: int = 50 * 1024 * 1024
    max_files: int = 10
    max_total_bytes: int = 0
    rotate: str = "never"
    compress: bool = True
    stderr: str = "merge"
    timestamps: bool = False
    on_full: str = "wait"
    files: tuple[str, ...] = ()
    watch: tuple[WatchRule, ...] = ()


class Update(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a service is updated from afar (reserved: no issue has specified it yet)."""

    command: tuple[str, ...] = ()


class ServiceSpec(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One service. Names follow interface.md; an empty tuple or string stands for 'none'."""

    name: str
    command: tuple[str, ...]
    description: str = ""
    user: str = ""
    group: str = ""
    supplementary_groups: tuple[str, ...] = ()
    working_dir: str = ""
    environment: tuple[tuple[str, str], ...] = ()  # env_file and environment merged, variables expanded
    umask: int | None = None
    type: ServiceType = ServiceType.SIMPLE
    pid_file: str = ""
    autostart: bool = True
    start_timeout_s: float = 90.0
    min_uptime_s: float = 1.0
    watchdog_s: float = 0.0
    restart: RestartPolicy = RestartPolicy.ALWAYS
    backoff: Backoff = Backoff()
    start_limit: StartLimit | None = None
    success_codes: tuple[int, ...] = (0,)
    success_signals: tuple[int, ...] = (15,)
    depends_on: tuple[Dependency, ...] = ()
    healthcheck: Healthcheck | None = None
    stop_signal: int = 15
    stop_grace_period_s: float = 10.0
    reload_signal: int = 1
    reload_command: tuple[str, ...] = ()
    is_reload_given: bool = False  # the key stands there: what it says makes the service open its logs again
    preflight: tuple[str, ...] = ()
    pre_start: tuple[str, ...] = ()
    post_start: tuple[str, ...] = ()
    pre_stop: tuple[str, ...] = ()
    post_stop: tuple[str, ...] = ()
    ulimits: tuple[tuple[str, int, int], ...] = ()  # (name, soft, hard); -1: unlimited
    mem_limit_bytes: int = 0
    cpus: float = 0.0
    pids_limit: int = 0
    nice: int | None = None
    ionice: str = ""
    oom_score_adj: int | None = None
    cpuset: str = ""
    no_new_privileges: bool = False
    cap_drop: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    scale: int | None = None  # how many instances; None: the key does not stand there, it cannot be scaled
    instance_of: str = ""  # the template this is an instance of (config/instances.py); no key of conf.d
    schedule: str = ""
    time_zone: str = ""
    catch_up: bool = False
    secrets: tuple[tuple[str, str], ...] = ()
    sockets: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    logging: Logging = Logging()
    update: Update | None = None
    remote: Role = Role.OPERATOR


class AccessRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A local role by unix user or group: exactly one of user and group is set."""

    role: Role
    user: str = ""
    group: str = ""


class SiteSpec(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """amonsup.yaml: where things are and who may do what locally. Every path is absolute."""

    site: str
    config_file: str
    conf_d: str
    run_dir: str
    state_dir: str
    log_dir: str
    socket: str
    user: str = ""
    log_user: str = ""
    tags: tuple[str, ...] = ()
    access: tuple[AccessRule, ...] = ()
    xmpp: XmppSpec | None = None


class Fleet(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Everything conf.d says, checked as a whole: names unique, dependencies known and free of cycles."""

    services: tuple[ServiceSpec, ...] = ()


class Loaded(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the door hands out: amonsup.yaml, conf.d, and a fingerprint of the files they came from.

    `fingerprint` is a digest of the names and contents of the conf.d files, so that 'conf.d differs from
    what was applied' can be told without parsing. `warnings` are texts for people; they never stop an
    apply.
    """

    site: SiteSpec
    fleet: Fleet
    fingerprint: str
    site_fingerprint: str = ""  # of amonsup.yaml; an older version left none
    warnings: tuple[str, ...] = ()
