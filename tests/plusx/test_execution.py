"""How a training computes changes its speed and its rounding, and nothing else."""

import pytest
import torch
from torch import nn

from plusx import ArgumentError, CifarResNet, Mlp, Recipe, Training, load_data
from plusx.execution import Execution, fastest
from plusx.memory_limits import in_parts, is_out_of_memory
from plusx.training import losses

CPU = torch.device("cpu")
SHAPES = load_data("shapes", limit=40)
RECIPE = Recipe(epochs=1, batch=20, lr=0.01)


def after(steps, make=lambda: CifarResNet(8), **settings):
    training = Training(make, SHAPES, RECIPE, [0], CPU, **settings)
    training.advance(steps)
    return training


def distance(one: Training, two: Training) -> float:
    """Of two networks' weights after a few steps, over how far the steps went."""
    begun = after(0)
    flat = [
        torch.cat([p.detach().flatten() for p in t.trained()[0].parameters()])
        for t in (one, two, begun)
    ]
    return ((flat[0] - flat[1]).norm() / (flat[0] - flat[2]).norm()).item()


@pytest.mark.parametrize(
    ("execution", "nearest", "farthest"),
    [
        (Execution(deterministic=True), 0.0, 0.0),
        (Execution(channels_last=True), 0.0, 1e-2),
        (Execution(compiler="aot_eager"), 0.0, 1e-2),
        (Execution(precision="bf16"), 1e-4, 0.3),
        (Execution(precision="bf16", channels_last=True, compiler="aot_eager"), 1e-4, 0.3),
    ],
)
def test_another_execution_takes_nearly_the_same_steps(execution, nearest, farthest):
    other = after(3, execution=execution)
    assert nearest <= distance(after(3), other) <= farthest
    assert all(p.dtype == torch.float32 for p in other.trained()[0].parameters())
    assert all(values.isfinite().all() for values in other.measure())


def test_what_is_asked_for_is_what_the_network_sees():
    seen = []

    class Spy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 10, 16)

        def forward(self, x):
            y = self.conv(x)
            last = {"memory_format": torch.channels_last}
            seen.append((y.dtype, x.is_contiguous(**last), self.conv.weight.is_contiguous(**last)))
            return y.flatten(1)

    after(1, Spy, execution=Execution("bf16", channels_last=True))
    after(1, Spy)
    assert seen == [(torch.bfloat16, True, True), (torch.float32, False, False)]


def test_deterministic_mode_holds_inside_and_leaves_torch_as_it_was():
    class Watching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 10, 3, padding=1)

        def forward(self, x):
            states.append(torch.are_deterministic_algorithms_enabled())
            return self.conv(x).mean((2, 3))

    states = []
    after(1, Watching, execution=Execution(deterministic=True))
    after(1, Watching)
    assert states == [True, False] and not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("wrong", [{"precision": "fp8"}, {"compiler": "no such"}])
def test_an_unknown_setting_is_refused(wrong):
    with pytest.raises(ArgumentError, match="Execution"):
        Execution(**wrong)


def test_a_shared_pass_refuses_another_way():
    with pytest.raises(ArgumentError, match="one way only"):
        after(0, lambda: Mlp(4, inputs=768), execution=Execution("bf16"))
    after(1, lambda: Mlp(4, inputs=768), execution=Execution(deterministic=True))


class Hungry(nn.Module):
    """Fails as torch does without memory when it is given more than `most` images."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(768, 10))

    def forward(self, x):
        y = self.layers(x)
        if len(x) > self.most:
            torch.empty(10**14)  # the CPU's allocator refuses this, with its own words
        return y


def test_a_batch_that_is_too_large_is_computed_in_parts_and_the_reason_is_said():
    roomy = after(4, lambda: Hungry(10**6), together=False)
    with pytest.warns(RuntimeWarning, match="computed in [24] parts(.|\n)*out of memory") as warned:
        narrow = after(4, lambda: Hungry(5), together=False)
    assert len(warned) == 2 and narrow.parts == 4  # then it stays so, without a word
    assert "step 0" in narrow.notes[1] and "batches of 20" in narrow.notes[1]
    assert "5 images at once" in narrow.notes[1] and "memory" in narrow.notes[1]
    for one, two in zip(
        roomy.trained()[0].parameters(), narrow.trained()[0].parameters(), strict=True
    ):
        torch.testing.assert_close(one, two)


def test_a_compiler_that_runs_out_of_memory_is_given_smaller_parts():
    """It does so when it tries its kernels, and says so in an error of its own."""
    tried = []

    def hungry(graph, inputs):
        images = next(x for x in inputs if isinstance(x, torch.Tensor) and x.ndim == 4)
        tried.append(len(images))
        if len(images) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return graph.forward

    backend = "plusx_hungry"
    torch.compiler.reset()
    torch._dynamo.register_backend(hungry, backend)
    execution = Execution(compiler=backend)
    with pytest.warns(RuntimeWarning, match="computed in [24] parts"):
        narrow = after(2, lambda: Hungry(10**6), execution=execution, together=False)
    assert narrow.parts == 4 and tried[:3] == [20, 10, 5]
    roomy = after(2, lambda: Hungry(10**6), together=False)
    torch.testing.assert_close(*(t.trained()[0].state_dict() for t in (narrow, roomy)))


def test_measuring_takes_fewer_images_at_once_when_it_must():
    roomy = after(0, lambda: Hungry(10**6), together=False)
    narrow = after(0, lambda: Hungry(30), together=False)
    with pytest.warns(RuntimeWarning, match="measured at once"):
        measured = narrow.measure()
    for one, two in zip(roomy.measure(), measured, strict=True):
        torch.testing.assert_close(one, two)


def test_the_parts_of_an_odd_batch_weigh_what_they_hold():
    training = Training(lambda: Hungry(3), SHAPES, Recipe(batch=7), [0], CPU, together=False)
    images, labels = SHAPES.train_images[None, :7], SHAPES.train_labels[None, :7]
    with pytest.warns(RuntimeWarning):
        training._set_gradients(images, labels)
    (net,) = training.nets.modules()
    got = net.layers[1].weight.grad.clone()
    net.zero_grad()
    losses(net.layers(images[0])[None], labels).sum().backward()
    torch.testing.assert_close(got, net.layers[1].weight.grad)


def test_what_is_too_large_by_itself_and_other_errors_go_on():
    with pytest.warns(RuntimeWarning), pytest.raises(RuntimeError, match="allocate"):
        after(1, lambda: Hungry(0), together=False)
    with pytest.raises(RuntimeError, match="something else"):
        in_parts(lambda parts: (_ for _ in ()).throw(RuntimeError("something else")), 1, 8, print)


def test_an_accelerators_error_is_known():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert is_out_of_memory(RuntimeError("[enforce fail] not enough memory: you tried"))
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))
    other = RuntimeError("the backend raised")
    other.inner_exception = ValueError("shapes do not fit")
    assert not is_out_of_memory(other)


def test_the_fastest_settings_of_a_device_can_be_made_and_used():
    fastest_here = fastest(CPU)
    assert fastest_here.channels_last and not fastest_here.compiler
    assert 0 < distance(after(2, execution=fastest_here), after(2)) < 0.3
    on_cuda = fastest(torch.device("cuda"))
    assert (on_cuda.precision, on_cuda.compiler) == ("bf16", "inductor")
    assert fastest(torch.device("mps")) == Execution()
