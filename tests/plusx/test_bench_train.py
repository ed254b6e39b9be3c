"""The benchmark of training: what its arms do, how they take turns, what the page says."""

import pytest
import torch
from torch import nn

from plusx import CifarResNet, bench_train
from plusx.bench_page import Measured, options_table, page
from plusx.bench_train import Settings, in_turns, measure, peak, pictures, resnet18
from plusx.execution import Execution, fastest
from plusx.surroundings import surroundings
from plusx.train_loops import all_loops, option_loops

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", all_loops(Execution()))
def test_every_arm_trains_the_network_that_it_is_given(name):
    data = pictures(8)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(3600, 10))
    seen = []
    net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    kept = [p.detach().clone() for p in net.parameters()]
    arm = all_loops(Execution())[name](net, data, 4, CPU)
    arm(3)
    assert [tuple(x.shape) for x in seen] == [(4, 3, 32, 32)] * 3
    if not name.startswith("ours"):  # that one trains a copy
        assert all(not torch.equal(a, b) for a, b in zip(kept, net.parameters(), strict=True))


def test_all_arms_see_shifted_and_mirrored_images():
    data = pictures(4)
    data.train_images[:] = torch.arange(1024.0).view(1, 1, 32, 32) + 1
    for name, loop in all_loops(Execution()).items():
        if name == "torchvision":  # its pixels are bytes
            continue
        seen = []
        net = nn.Sequential(nn.Conv2d(3, 1, 1), nn.Flatten(), nn.Linear(1024, 10))
        net.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0].clone()))
        loop(net, data, 4, CPU)(10)
        images = torch.cat(seen)
        steps = images[:, 0, 16, 17] - images[:, 0, 16, 16]
        assert steps.unique().tolist() == [-1.0, 1.0], name  # half of them are mirrored
        assert len(images[:, 0, 16, 16].unique()) > 10, name  # 40 images, 162 ways to move one


def test_arms_take_turns_and_another_one_begins_each_round():
    order = []
    arms = {name: lambda count, name=name: order.append((name, count)) for name in "abc"}
    speeds = in_turns(arms, 10, CPU, 0.0)
    assert {name: v.shape for name, v in speeds.items()} == dict.fromkeys("abc", (3,))
    warm, rounds = [n for n, _ in order[:3]], "".join(n for n, _ in order[3:])
    assert warm == ["a", "b", "c"] and rounds == "abcbcacab"


def test_a_network_is_measured_and_the_page_says_so(monkeypatch):
    monkeypatch.setattr(bench_train, "TURN_S", 0.0)
    settings = Settings(CPU, Execution(channels_last=True), batch=4)
    found = measure(lambda: CifarResNet(8), settings, 0.0, all_loops(settings.execution))
    assert found.parameters == 75_290
    assert all(v.shape == (3,) and (v > 0).all() for v in found.speeds.values())
    peaks = {"float32": peak(CPU, torch.float32, 64), "bf16": 1e12}
    text = page({"ResNet-8": found}, surroundings(CPU), settings.execution, peaks)
    assert "| ResNet-8 | 75,290 |" in text and "channels_last True" in text


def test_ratios_are_taken_round_by_round_and_shares_count_three_passes():
    speeds = {"minimal": [100.0, 50.0, 200.0], "ours": [99.0, 40.0, 196.0]}
    rest = {name: [400.0] * 3 for name in ("torchvision", "minimal, fast", "ours, fast")}
    tensors = {name: torch.tensor(v) for name, v in (speeds | rest).items()}
    measured = Measured(1000, 2_000_000, tensors, dict.fromkeys(tensors, 1.5))
    assert measured.ratio("ours", "minimal").tolist() == pytest.approx([0.99, 0.8, 0.98])
    assert measured.share("ours", 1e9) == pytest.approx(3 * 2e6 * 99 / 1e9)
    peaks = {"float32": 1e9, "bf16": 2e9}
    text = page({"N": measured}, {"torch": "x", "device": "cpu"}, Execution("bf16"), peaks)
    assert "| N | 0.980 (0.800 to 0.990) |" in text and "| reached |" in text
    assert "| 59.4 % | 120.0 % |" in text


def test_what_each_setting_brings_is_a_table(monkeypatch):
    monkeypatch.setattr(bench_train, "TURN_S", 0.0)
    settings = Settings(CPU, Execution(), batch=4)
    found = measure(lambda: CifarResNet(8), settings, 0.0, option_loops("aot_eager"))
    head, _, row = options_table({"ResNet-8": found}).splitlines()
    assert head.startswith("|  | channels last / plain | bf16 / plain |")
    assert "all, compiled / plain" in head and row.startswith("| ResNet-8 | ")
    assert row.count(" to ") == 4 and row.endswith(" s |")


def test_the_networks_are_those_of_the_paper_and_torchvisions():
    counts = {
        name: sum(p.numel() for p in make().parameters())
        for name, make in bench_train.NETWORKS.items()
    }
    assert [counts[f"ResNet-{n}"] for n in (20, 56, 110)] == [269_722, 853_018, 1_727_962]
    # torchvision's 11,689,512 with 10 classes for 1000, and 3x3 for 7x7 in the stem
    assert counts["ResNet-18"] == 11_689_512 - 990 * 513 - 3 * 64 * (49 - 9)
    assert resnet18()(torch.randn(2, 3, 32, 32)).shape == (2, 10)


def test_the_fastest_settings_depend_on_the_device():
    assert fastest(torch.device("cuda")) == Execution("bf16", True, "inductor")
    assert fastest(CPU).channels_last and not fastest(CPU).compiler
    assert fastest(torch.device("mps")) == Execution()
