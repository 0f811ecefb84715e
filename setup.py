"""Only for the optional C spawner: where no compiler is, the pure-Python one is used."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "amonsup.supervisor.adapters._spawner",
            ["amonsup/supervisor/adapters/spawner.c"],
            optional=True,
            extra_compile_args=["-O2", "-Wall", "-Wextra", "-fno-strict-aliasing"],
        )
    ]
)
