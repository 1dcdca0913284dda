"""The server: the console on a port of this machine, until it is told to end."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import uvicorn

from pipeline.console.app import create_app
from pipeline.console.site import Site
from pipeline.console.warm_up import warmed
from pipeline.errors import FailedError

__all__ = ["opened", "serve"]

_GRACE_SECONDS: Final = 5


@contextmanager
def opened(host: str, port: int) -> Iterator[socket.socket]:
    """The port, before anything is said of it; 0 takes any that is free. Raises `FailedError` for one that is taken."""
    try:
        family, kind, proto, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, proto)
    except OSError as error:
        raise FailedError(
            f"There is no address {host} on this machine: {error.strerror}. Check [console] host."
        ) from error
    with listening:
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(place)
            listening.listen()
        except OSError as error:
            raise FailedError(
                f"The console cannot listen on {host}, port {port}: {error.strerror}. Name another port: "
                "churn console --port 8711"
            ) from error
        yield listening


def serve(site: Site, listening: socket.socket) -> None:
    """Answer until Ctrl-C or SIGTERM; what is being answered then is ended within seconds.

    Lines of access are not logged, for the addresses of one-time links would stand in them. What a proxy on this
    machine says of who asks is believed, and of nobody else.
    """
    config = uvicorn.Config(
        create_app(site),
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    with warmed(site), suppress(KeyboardInterrupt):  # which it raises again when it has ended in peace
        uvicorn.Server(config).run(sockets=[listening])
