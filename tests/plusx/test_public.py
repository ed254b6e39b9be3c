"""The names that plusx offers, and what importing it costs."""

import subprocess
import sys

import pytest

import plusx

PUBLIC = """
    ArgumentError BasicBlock Bottleneck BottleneckResNet CifarResNet Conv Data
    DownloadError ExpectationError InvertedBottleneck Mlp PadShortcut PlusxError Recipe Record
    SqueezeExcite Training WeightsError block_layers check choose_device count_multiply_adds
    count_parameters expect_close expect_equal expect_raises expect_shape expect_true
    expect_type expect_works fill_by_shape forward_milliseconds gradient_norms
    gradient_profile hidden_states load_by_order load_data load_reference pad_shortcut
    progress receptive_field resnet_reach saved_mebibytes seed_all similarity_kept step_seconds
    train weight_gradients
""".split()


def test_public_names_are_pinned_and_sorted():
    assert plusx.__all__ == PUBLIC == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there_and_documented(name):
    assert getattr(plusx, name).__doc__
    assert name in dir(plusx)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        plusx.no_such_name  # noqa: B018


@pytest.mark.parametrize("module", ["plusx", "plusx.expect", "plusx.errors", "plusx.seeds"])
def test_light_modules_load_neither_torch_nor_matplotlib(module):
    code = f"import sys, {module}; print(sys.modules.keys() & {{'torch', 'matplotlib', 'numpy'}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_only_plots_and_widgets_load_matplotlib():
    """One fresh Python imports one module after the other, and says after which it was there."""
    modules = """
        bottlenecks costs diagnose diagnose_bottlenecks models probes sequence_training sequences
        streams transformers weights
    """.split()
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(f'plusx.{name}')\n"
        "    print(name, 'matplotlib' in sys.modules)"
    )
    command = [sys.executable, "-c", code, *modules]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{name} False" for name in modules]


def test_every_error_is_a_plusx_error():
    for name in ("ArgumentError", "ExpectationError", "WeightsError"):
        assert issubclass(getattr(plusx, name), plusx.PlusxError)
    assert issubclass(plusx.ArgumentError, ValueError)
    assert issubclass(plusx.ExpectationError, AssertionError)
