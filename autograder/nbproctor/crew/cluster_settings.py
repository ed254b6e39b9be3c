"""Where the nodes of a cluster are, and how to get to them: a section of the course's settings."""

import importlib
import re
from typing import Any

from traitlets import Bool, Dict, Float, Int, Unicode
from traitlets.config import Config, Configurable

from nbproctor.errors import ConfigError

__all__ = ["Cluster", "is_protected", "resources_from"]

PROTECTED = re.compile(r"(tls|wss|gateway|inproc)://")
THIS_MACHINE = re.compile(r"(tcp|ws)://(127\.\d+\.\d+\.\d+|\[::1\]|localhost)(:|/|$)")


class Cluster(Configurable):
    """`c.Cluster` of nbgrader_config.py. Either an address, or a class that starts a cluster."""

    address = Unicode(help="A Dask scheduler, for example tls://head.example.edu:8786").tag(
        config=True
    )
    cluster_class = Unicode(
        help="A Dask cluster class, for example dask_jobqueue.SLURMCluster; made when grading "
        "begins, and closed when it ends"
    ).tag(config=True)
    cluster_options = Dict(help="Keyword arguments of the class").tag(config=True)
    minimum = Int(0, help="Workers that an adaptive cluster keeps").tag(config=True)
    maximum = Int(
        0, help="Workers that an adaptive cluster may have; 0: the class's own options decide"
    ).tag(config=True)
    resources = Dict(
        value_trait=Float(),
        help="What a worker must offer (dask worker --resources) and a submission takes",
    ).tag(config=True)
    wait_for_workers_s = Float(
        60.0, help="How long to go on without a single usable worker, in seconds"
    ).tag(config=True)
    job_timeout_s = Float(
        0.0, help="A worker that needs longer for a submission hangs; 0: what the limits add up to"
    ).tag(config=True)
    tls_ca_file = Unicode(help="Certificate of the authority, PEM").tag(config=True)
    tls_cert = Unicode(help="The grader's certificate, PEM").tag(config=True)
    tls_key = Unicode(help="The grader's private key, PEM").tag(config=True)
    unprotected = Bool(
        False,
        help="Accept connections to other machines that are not encrypted. Whoever can reach such "
        "a scheduler can read the hidden tests, make up results, and run programs on every node",
    ).tag(config=True)

    def __init__(self, config: Config | None = None, **settings: Any) -> None:
        section = Config() if config is None else config.get(type(self).__name__, {})
        known = type(self).class_trait_names(config=True)
        if unknown := sorted(set(section) - set(known)):
            raise ConfigError(
                f"c.Cluster has no setting {', '.join(unknown)}", expected=", ".join(known)
            )
        super().__init__(config=config, **settings)

    @property
    def is_set(self) -> bool:
        """Whether there is a cluster to grade on."""
        return bool(self.address or self.cluster_class)

    def at(self, address: str) -> "Cluster":
        """These settings for another scheduler, which is there already."""
        kept = {name: getattr(self, name) for name in self.class_trait_names(config=True)}
        made = ("cluster_class", "cluster_options", "minimum", "maximum")
        return Cluster(**{k: v for k, v in kept.items() if k not in made} | {"address": address})

    def check(self) -> None:
        """Raise ConfigError where settings are missing or contradict each other."""
        tls = (self.tls_ca_file, self.tls_cert, self.tls_key)
        wrong = {
            "there is no cluster to grade on": not self.is_set,
            "a cluster is either there (address) or made (cluster_class)": self.address
            and self.cluster_class,
            "options stand without a cluster_class": not self.cluster_class
            and (self.cluster_options or self.maximum),
            "minimum is above maximum": self.minimum > self.maximum,
            "a number is negative": min(self.minimum, self.wait_for_workers_s, self.job_timeout_s)
            < 0,
            "TLS takes three files": any(tls) and not all(tls),
            "an address looks like tls://HOST:PORT": self.address
            and not re.fullmatch(r"\w+://.+", self.address),
        }
        for what, is_so in wrong.items():
            if is_so:
                raise ConfigError(what, got=self.told(), where="--scheduler and c.Cluster")

    def told(self) -> str:
        """What was set, for messages; no option of a cluster class, which may hold a password."""
        names = ("address", "cluster_class", "minimum", "maximum", "wait_for_workers_s")
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)

    def cluster(self) -> Any:
        """Make the cluster that the settings name.

        Raises:
            ConfigError: there is no such class, or it does not take the options.
        """
        module, _, name = self.cluster_class.rpartition(".")
        try:
            made = getattr(importlib.import_module(module), name)(**self.cluster_options)
        except Exception as error:  # of a class that is not ours
            raise ConfigError(
                "the cluster cannot be made", got=str(error), where=self.cluster_class
            ) from error
        return made


def is_protected(address: str) -> bool:
    """Whether what goes to an address is encrypted, or stays on this machine."""
    return bool(PROTECTED.match(address) or THIS_MACHINE.match(address))


def resources_from(text: str) -> dict[str, float]:
    """Read words such as `GPU=1,licence=2`, as `dask worker --resources` does.

    Raises:
        ConfigError: something else stands there.
    """
    found = {}
    for word in filter(None, re.split(r"[\s,]+", text)):
        name, _, amount = word.partition("=")
        try:
            found[name] = float(amount)
        except ValueError:
            raise ConfigError(
                "this is no resource", expected="NAME=AMOUNT, as in GPU=1", got=word
            ) from None
    return found
