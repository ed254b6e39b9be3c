"""Networks of steps, their figures, their explorer and their shipped study."""

import random

import pytest
import torch
from matplotlib import pyplot as plt

from plusx import ArgumentError, continuous, continuous_plots, plots
from plusx.continuous import (
    OdeNet,
    StepNet,
    reflect,
    relative_change,
    step_cosine,
    turning,
)
from plusx.continuous_studies import DEPTHS, POWERS, STUDIES, load_study
from plusx.step_explorer import StepExplorer

IMAGES = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("net", [StepNet(6, 1.0), StepNet(4, 0.5, smooth=True), OdeNet(3)])
def test_a_network_gives_logits_and_trains(net):
    logits = net(IMAGES)
    assert logits.shape == (5, 10)
    logits.sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_a_smooth_start_is_the_same_in_all_blocks():
    net = StepNet(4, 0.5, smooth=True)
    assert torch.equal(net.inner[0], net.inner[3]) and torch.equal(net.outer[0], net.outer[3])
    rough = StepNet(4, 0.5)
    assert not torch.equal(rough.inner[0], rough.inner[3])


def test_blocks_left_out_make_steps_longer():
    """With blocks that are all alike, half of them are the same flow in steps of twice the size."""
    net = StepNet(8, 1.0, smooth=True)
    assert len(net.states(IMAGES, every=2)) == 5
    half = StepNet(4, 1.0)
    with torch.no_grad():
        for name in ("inner", "outer", "bias"):
            getattr(half, name).copy_(getattr(net, name)[::2])
        half.stem.load_state_dict(net.stem.state_dict())
        half.head.load_state_dict(net.head.state_dict())
    torch.testing.assert_close(net.run(IMAGES, every=2), half(IMAGES))


def test_neighbouring_steps_agree_only_on_a_smooth_path():
    torch.manual_seed(0)
    assert step_cosine(StepNet(64, 1.0, smooth=True), IMAGES) > 0.99
    assert abs(step_cosine(StepNet(64, 1.0), IMAGES)) < 0.2


def test_more_steps_change_a_flow_little():
    net = OdeNet(64)
    torch.testing.assert_close(
        net.run(IMAGES, 64, "RK4"), net.run(IMAGES, 128, "RK4"), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize(("power", "grows"), [(0.0, 2.0), (0.5, 1.0), (1.0, 0.5)])
def test_independent_blocks_walk_at_random(power, grows):
    """Four times the blocks, twice the way, times the factor of the step size."""
    torch.manual_seed(0)
    moved = [relative_change(StepNet(blocks, power), IMAGES) for blocks in (32, 128)]
    assert moved[1] / moved[0] == pytest.approx(grows, rel=0.35)


def test_what_no_flow_on_a_line_can_do():
    errors = {kind: reflect(kind, seeds=3, updates=150).error for kind in continuous.KINDS}
    assert errors["flow"].min() > 0.36
    assert errors["lifted flow"].max() < 0.05
    assert errors["residual net"].max() < 0.05


def test_bad_settings_are_refused():
    with pytest.raises(ArgumentError, match="lifted flow"):
        reflect("spiral")
    with pytest.raises(ArgumentError, match="blocks >= 1"):
        StepNet(0, 1.0)


def test_figures_are_labelled():
    panels = continuous_plots.step_panels(turning(-0.5, 1.5), 4.0, (4, 8))
    assert all(axis.get_xlabel() and axis.get_title() for axis in panels.axes)
    assert "miss by" in panels.axes[0].get_title()
    crossing = continuous_plots.reflection_panels({"flow": reflect("flow", 1, 1)})
    assert crossing.axes[0].get_ylabel()
    _, (axis,) = plots.figure()
    continuous_plots.plot_means_log(axis, (1, 10), torch.rand(3, 2) + 0.1, "some", "Heun")
    assert axis.get_xscale() == axis.get_yscale() == "log"


@pytest.mark.parametrize("method", continuous_plots.ROLES)
@pytest.mark.parametrize(("h", "decay", "rotation"), [(0.05, -6.0, 0.0), (2.0, 0.5, 6.0)])
def test_the_explorer_draws_any_setting(method, h, decay, rotation):
    image = StepExplorer().draw(method=method, h=h, decay=decay, rotation=rotation)
    assert image.startswith(b"\x89PNG")


def test_the_explorer_has_a_widget_and_a_still_figure():
    bundle, _ = StepExplorer()._repr_mimebundle_()
    assert "image/png" in bundle and "text/plain" in bundle
    assert "application/vnd.jupyter.widget-view+json" in bundle


def end(*key):
    return load_study("continuous_steps")[key].test_error[:, -1]


def test_a_random_case_run_anew_agrees():
    cases = [case for case in STUDIES["continuous_steps"]() if case.key[0] <= 16]
    case = random.SystemRandom().choice(cases)
    shipped, now = end(*case.key), case.run().test_error[:, -1]
    spread = 3 * (shipped.std() + now.std())
    assert abs(shipped.mean() - now.mean()) <= 3 + spread, (case.key, shipped, now)


def test_what_lesson_08_says_about_the_shipped_runs():
    assert DEPTHS[-1] == 256 and POWERS == (0.0, 0.5, 1.0)
    assert end(256, 0.0, False).min() > 40 and end(256, 0.0, True).min() > 60
    for blocks in DEPTHS[1:]:
        assert end(blocks, 0.5, False).mean() < end(blocks, 1.0, False).mean()
    assert end(256, 0.5, False).mean() < 4 and end(256, 1.0, True).mean() < 5
    assert end(256, 0.5, True).mean() > 7
