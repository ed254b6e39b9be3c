"""The connection to a Dask scheduler: tasks on named workers go out, what happens comes in.

Dask's client has a thread of its own. All that it hears is put into one queue, as a call to be made
by the thread that grades.
"""

import asyncio
import queue
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import dask
from distributed import Client, Future
from distributed.security import Security

from nbproctor.crew.cluster_settings import Cluster, is_protected
from nbproctor.errors import ClusterError, ConfigError

__all__ = ["Link", "linked"]

# A Dask worker that cannot import what a task names falls over the message, restarts, and falls
# again. So a task names nothing but a builtin: scheduler and worker can read it in any case.
CALL = "getattr(__import__('importlib').import_module(module), name)(*arguments)"
CONNECT_S = 30.0
RUNNING = "running"
# An adaptive cluster sees two submissions for each worker, never the class that waits: that must be
# reason enough for another worker.
ADAPTIVE = {"distributed.adaptive.target-duration": "100ms"}
# Dask advises against large arguments in general; a submission has to travel.
LARGE = {"distributed.admin.large-graph-warning-threshold": "4GiB"}


@contextmanager
def linked(settings: Cluster) -> Iterator["Link"]:
    """A connection as the settings say; a cluster that they name is made for it.

    Raises:
        ConfigError: settings are missing, contradict each other, or are not safe.
        ClusterError: nobody answers.
    """
    settings.check()
    if settings.address:
        _refuse_unprotected(settings.address, settings)
    with dask.config.set(LARGE):
        cluster = _cluster(settings)
        try:
            with _client(settings, cluster) as client:
                yield Link(client, settings.resources)
        finally:
            if cluster is not None:
                cluster.close()


def _cluster(settings: Cluster) -> Any:
    """The cluster that the settings name, growing; None where there is an address."""
    if not settings.cluster_class:
        return None
    cluster = settings.cluster()
    if settings.maximum:
        with dask.config.set(ADAPTIVE):
            cluster.adapt(minimum=settings.minimum, maximum=settings.maximum)
    return cluster


@contextmanager
def _client(settings: Cluster, cluster: Any) -> Iterator[Client]:
    try:
        client = Client(
            settings.address if cluster is None else cluster,
            security=_security(settings),
            timeout=CONNECT_S,
            set_as_default=False,
            name="nbproctor",
        )
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise ClusterError(
            "the scheduler of the cluster does not answer",
            got=f"{type(error).__name__}: {error}",
            where=settings.address or settings.cluster_class,
        ) from error
    try:
        yield client
    finally:
        client.close(timeout=CONNECT_S)


def _security(settings: Cluster) -> Security | None:
    """None leaves it to the cluster object, or to Dask's own configuration."""
    if not settings.tls_ca_file:
        return None
    return Security(
        tls_ca_file=settings.tls_ca_file,
        tls_client_cert=settings.tls_cert,
        tls_client_key=settings.tls_key,
        require_encryption=True,
    )


def _refuse_unprotected(address: str, settings: Cluster) -> None:
    if not (settings.unprotected or is_protected(address)):
        raise ConfigError(
            "whoever can reach this scheduler could read the hidden tests and make up results",
            expected="tls://, an address of this machine, or c.Cluster.unprotected = True",
            got=address,
        )


class Link:
    """Tasks on named workers, and the queue of what comes back.

    Args:
        resources: what a task with `takes_resources` needs of its worker.
    """

    def __init__(self, client: Client, resources: Mapping[str, float]) -> None:
        self._client, self.resources = client, dict(resources)
        assert client.loop is not None and client.scheduler is not None  # it is connected
        self._loop, self._scheduler = client.loop, client.scheduler
        self._calls = 0
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    @property
    def address(self) -> str:
        return str(self._scheduler.address)

    def check(self) -> None:
        """Raise ClusterError if the scheduler has gone."""
        if self._client.status != RUNNING:
            raise ClusterError(
                "the scheduler of the cluster has gone; what was graded until now is kept",
                where=self.address,
            )

    def call(
        self,
        worker: str | None,
        function: Callable[..., Any],
        *arguments: Any,
        then: Callable[[Any], None],
        takes_resources: bool = False,
    ) -> Future[Any]:
        """Run a function on a worker (None: on any); `then` gets what it returned or raised.

        Dask is not to run it again, here or elsewhere: that is the grader's to decide. Who does
        not want the outcome any more releases the future.
        """
        self._calls += 1
        names = {"module": function.__module__, "name": function.__name__}
        future = self._client.submit(
            eval,
            CALL,
            {**names, "arguments": arguments},
            key=f"nbproctor-{function.__name__}-{self._client.id}-{self._calls}",
            workers=None if worker is None else [worker],
            resources=self.resources if takes_resources else None,
            retries=0,
            pure=False,
        )
        self._loop.add_callback(self._collect, future, then)
        return future

    async def _collect(self, future: Future[Any], then: Callable[[Any], None]) -> None:
        try:
            outcome = await self._client.gather(future, asynchronous=True)
        except (Exception, asyncio.CancelledError) as error:
            outcome = error
        future.release()  # the scheduler keeps nothing that has arrived
        self._inbox.put(partial(then, outcome))

    def watch(self, topic: str, then: Callable[[dict[str, Any]], None]) -> None:
        """Have `then` get each event of a scheduler's topic: "all", or a worker's address."""

        def handler(event: tuple[float, Any]) -> None:
            if isinstance(event[1], dict):
                self._inbox.put(partial(then, event[1]))

        self._client.subscribe_topic(topic, handler)

    def ignore(self, topic: str) -> None:
        """The end of `watch`."""
        self._client.unsubscribe_topic(topic)

    def look(self, then: Callable[[dict[str, Any]], None]) -> None:
        """Have `then` get what the scheduler knows of each worker, by address."""

        async def ask() -> None:
            try:
                identity = await self._scheduler.identity(n_workers=-1)
            except (OSError, asyncio.CancelledError):
                return  # `check` notices
            self._inbox.put(partial(then, identity["workers"]))

        self._loop.add_callback(ask)

    def hear(self, timeout_s: float) -> None:
        """Make the calls that have come in; wait for the first one."""
        try:
            self._inbox.get(timeout=timeout_s)()
            while True:
                self._inbox.get_nowait()()
        except queue.Empty:
            return
