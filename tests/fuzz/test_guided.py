"""Coverage-guided fuzzing of the frame decoder, in a process of its own."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from budget import MINUTES

TARGET = Path(__file__).with_name("decoder_target.py")
SECONDS = 15 * max(MINUTES, 1)
SEED = 0 if MINUTES else 1  # libFuzzer draws another one for 0


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not installed: it has wheels for Linux on x86-64 alone",
)
def test_guided_fuzzing_of_the_frame_decoder_finds_nothing(tmp_path: Path) -> None:
    corpus, findings = tmp_path / "corpus", tmp_path / "findings"
    corpus.mkdir()
    findings.mkdir()
    options = f"-max_total_time={SECONDS} -seed={SEED} -max_len=4096 -timeout=60 -rss_limit_mb=4096"
    command = [sys.executable, TARGET, corpus, *options.split(), f"-artifact_prefix={findings}/"]
    done = subprocess.run([*command, "-print_final_stats=1"], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert not list(findings.iterdir())
    [runs] = re.findall(r"number_of_executed_units: (\d+)", done.stderr)
    print(f"{runs} inputs, {re.findall(r'cov: [0-9]+', done.stderr)[-1]}")
    assert int(runs) > 100
