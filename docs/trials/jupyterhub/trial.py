"""A class on a real JupyterHub, through nbgrader's exchange: what the buttons do, over HTTP.

    HUB=/opt/hub sh docs/trials/jupyterhub/prepare.sh
    HUB=/opt/hub /opt/hub/environment/bin/python docs/trials/jupyterhub/trial.py

Runs as root, since each user's server runs as that user. Every step is a request to a user's own
server, behind the hub's proxy; only `nbproctor grade` is typed, as the teacher, in a terminal.
"""

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HUB, HERE = Path(os.environ["HUB"]), Path(__file__).parent
SITE = "http://127.0.0.1:18000"
COURSE, LESSON = "means", "01_running_means"
NOTEBOOK = f"{LESSON}/{LESSON}.ipynb"
TOKEN = secrets.token_hex(16)
RIGHT = """\
def running_mean(values, width):
    if width < 1:
        raise ValueError(width)
    return [sum(values[n:n + width]) / width for n in range(len(values) - width + 1)]
"""
WRONG = "def running_mean(values, width):\n    return values\n"
WORDS = "A fifth of its height, over five places."
BEGAN = time.monotonic()


def main() -> None:
    with hub_running():
        say("hub", f"JupyterHub {ask('GET', '/hub/api/')['version']}")
        start("hubteacher")
        for_all("assign", "release")
        hand_in("hubann", RIGHT)
        hand_in("hubbob", WRONG)
        for_all("collect")
        button = f"submission/{LESSON}/hubann/autograde"
        say("hubteacher", f"autograde hubann: {done(formgrader('POST', button))}")
        grade = ("nbproctor", "grade", "01", "--course", f"/home/hubteacher/{COURSE}")
        typed("hubteacher", *grade)
        hand_in("hubbob", RIGHT)
        for_all("collect")
        typed("hubteacher", *grade)
        by_hand("hubann", 2)
        for_all("generate_feedback", "release_feedback")
        read_feedback("hubann")
        read_feedback("hubbob")
        look_around()
    say("hub", "ended")


def for_all(*steps: str) -> None:
    """Formgrader's buttons for a whole class."""
    for step in steps:
        answer = formgrader("POST", f"assignment/{LESSON}/{step}")
        say("hubteacher", f"{step}: {done(answer)}")


def done(answer: Any) -> str:
    assert answer["success"], answer
    return "done"


def hand_in(student: str, code: str) -> None:
    """Fetch the lesson if that was not done yet, answer it, hand it in."""
    if not (Path("/home") / student / LESSON).is_dir():
        start(student)
        say(student, f"fetch: {states(assignments(student, 'fetch'))}")
    path = f"/user/{student}/api/contents/{NOTEBOOK}"
    notebook = ask("GET", path)["content"]
    for cell in notebook["cells"]:
        grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
        answers = {"running_mean": code, "question_peaks": WORDS}
        cell["source"] = answers.get(grade_id, cell["source"])
    ask("PUT", path, {"type": "notebook", "format": "json", "content": notebook})
    say(student, f"submit: {states(assignments(student, 'submit'))}")


def states(found: list[dict[str, Any]]) -> str:
    """What the assignment list shows of the lesson."""
    return ", ".join(a["status"] for a in found if a["assignment_id"] == LESSON)


def by_hand(student: str, points: float) -> None:
    """What formgrader's page sends when a person types points."""
    (made,) = [
        found
        for found in formgrader("GET", f"submitted_notebooks/{LESSON}/{LESSON}")
        if found["student"] == student
    ]
    grades = formgrader("GET", f"grades?submission_id={made['id']}")
    (written,) = [grade for grade in grades if grade["name"] == "question_peaks"]
    formgrader("PUT", f"grade/{written['id']}", {**written, "manual_score": points})
    say("hubteacher", f"{points} points to {student}'s written answer")


def read_feedback(student: str) -> None:
    """Fetch the page about what was handed in last, and read its heading."""
    found = assignments(student, "fetch_feedback")
    handed_in = [made for assignment in found for made in assignment.get("submissions", [])]
    path = max(handed_in, key=lambda made: made["timestamp"])["local_feedback_path"]
    file = urllib.parse.quote(f"{path}/{LESSON}.html")
    page = ask("GET", f"/user/{student}/api/contents/{file}?format=text")["content"]
    score = page[page.index("(Score: ") :].partition(")")[0]
    say(student, f"feedback: {score})")


def look_around() -> None:
    """What a student can reach of the others' work: nothing, it is hoped."""
    course = Path("/home/hubteacher", COURSE)
    for path in (HUB / "exchange" / COURSE / "inbound", course, "/home/hubann"):
        tried = subprocess.run(["runuser", "-u", "hubbob", "--", "ls", path], capture_output=True)
        say("hubbob", f"ls {path}: {'ALLOWED' if tried.returncode == 0 else 'refused'}")


def formgrader(method: str, what: str, data: Any = None) -> Any:
    return ask(method, f"/user/hubteacher/formgrader/api/{what}", data)


def assignments(student: str, step: str) -> list[dict[str, Any]]:
    """A button of the assignment list: what it shows afterwards."""
    data = {"course_id": COURSE, "assignment_id": LESSON}
    answer = ask("POST", f"/user/{student}/assignments/{step}", data)
    assert answer["success"], answer
    return answer["value"]


def start(user: str) -> None:
    """Start a user's server, and wait until it answers."""
    began = time.monotonic()
    ask("POST", f"/hub/api/users/{user}/server")
    while not ask("GET", f"/hub/api/users/{user}")["servers"].get("", {}).get("ready"):
        time.sleep(0.5)
    owner = subprocess.run(
        ["pgrep", "-u", user, "-f", "jupyterhub-singleuser"], capture_output=True, text=True
    )
    assert owner.stdout, f"no server runs as {user}"
    say(user, f"a server of their own, after {time.monotonic() - began:.0f} s")


def typed(user: str, program: str, *arguments: str) -> None:
    """A command in a user's terminal."""
    environment = ["env", f"HOME=/home/{user}", f"JUPYTER_CONFIG_PATH={HUB / 'etc'}"]
    command = ["runuser", "-u", user, "--", *environment, HUB / "environment/bin" / program]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True)
    say(user, f"$ {program} {' '.join(arguments)}\n{done.stdout}{done.stderr}".rstrip())
    assert done.returncode == 0


def ask(method: str, path: str, data: Any = None) -> Any:
    """A request through the hub's proxy, as JSON."""
    headers = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(SITE + path, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=300) as answer:
        text = answer.read()
    return json.loads(text) if text else None


@contextmanager
def hub_running() -> Iterator[None]:
    """The hub, until it is not needed any more."""
    environment = {**os.environ, "HUB": str(HUB), "TRIAL_TOKEN": TOKEN}
    programs = Path(sys.executable).parent
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    config = ["--config", HERE / "jupyterhub_config.py"]
    with (HUB / "state" / "log").open("w") as log:
        hub = subprocess.Popen(
            [programs / "jupyterhub", *config], env=environment, stdout=log, stderr=log
        )
        try:
            until_it_answers(hub)
            yield
        finally:
            hub.terminate()
            hub.wait(timeout=60)


def until_it_answers(hub: "subprocess.Popen[bytes]") -> None:
    for _ in range(240):
        assert hub.poll() is None, f"the hub ended: see {HUB / 'state' / 'log'}"
        try:
            ask("GET", "/hub/api/")
            return
        except (OSError, urllib.error.URLError):
            time.sleep(0.5)
    raise AssertionError("the hub does not answer")


def say(who: str, what: str) -> None:
    print(f"{time.monotonic() - BEGAN:6.1f} s  {who:<10}  {what}", flush=True)


if __name__ == "__main__":
    main()
