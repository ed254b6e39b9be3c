"""A JupyterHub on loopback whose servers run as the users of this machine."""

import os
import sys
from pathlib import Path

hub, programs = Path(os.environ["HUB"]), Path(sys.executable).parent

c = get_config()  # noqa: F821  (JupyterHub hands it in)
c.JupyterHub.bind_url = "http://127.0.0.1:18000"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:18081"
c.JupyterHub.db_url = f"sqlite:///{hub}/state/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = f"{hub}/state/cookie_secret"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:18001"
# Formgrader's buttons answer when they are done: longer than a proxy waits by itself.
patience = ["--timeout", "600000", "--proxy-timeout", "600000"]  # milliseconds
c.ConfigurableHTTPProxy.command = [str(programs / "configurable-http-proxy"), *patience]

# Nobody logs in with a password here: the trial acts for them with its token.
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = os.urandom(16).hex()
c.Authenticator.allowed_users = {"hubteacher", "hubann", "hubbob"}
c.JupyterHub.services = [{"name": "trial", "api_token": os.environ["TRIAL_TOKEN"]}]
scopes = ["admin:users", "admin:servers", "access:servers"]
c.JupyterHub.load_roles = [{"name": "trial", "services": ["trial"], "scopes": scopes}]

c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
c.Spawner.cmd = [str(programs / "jupyterhub-singleuser")]
c.Spawner.start_timeout = c.Spawner.http_timeout = 180
c.Spawner.environment = {
    "PATH": f"{programs}:/usr/bin:/bin",
    "JUPYTER_CONFIG_PATH": str(hub / "etc"),
}
