"""Several streams and attention over layers: what the papers say of their start."""

import torch

from plusx.streams import AveragedTransformer, HyperTransformer, over_layers, sinkhorn
from plusx.transformers import Transformer


def seeded(make, *arguments, **settings):
    torch.manual_seed(0)
    return make(10, 8, *arguments, **settings).double()


def tokens():
    return torch.randint(10, (4, 8), generator=torch.Generator().manual_seed(0))


def test_hyper_connections_start_as_pre_norm():
    plain, hyper = (seeded(make, blocks=3) for make in (Transformer, HyperTransformer))
    # The sum of four copies, read through a norm: equal but for the norm's eps.
    torch.testing.assert_close(plain(tokens()), hyper(tokens()), rtol=1e-4, atol=1e-4)


def test_constrained_ones_mix_doubly_stochastically_and_learn():
    net = seeded(HyperTransformer, blocks=2, constrained=True)
    for connection in net.connections:
        mix, read, write = connection.matrices()
        ones = torch.ones(4, dtype=torch.float64)
        torch.testing.assert_close(mix.sum(0), ones)
        torch.testing.assert_close(mix.sum(1), ones, rtol=1e-3, atol=1e-3)
        assert ((read > 0) & (read < 1) & (write > 0) & (write < 2)).all()
    net(tokens()).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_products_of_balanced_matrices_do_not_grow():
    draw = torch.Generator().manual_seed(0)
    product = torch.eye(4, dtype=torch.float64)
    for _ in range(50):
        product = sinkhorn(torch.randn(4, 4, generator=draw, dtype=torch.float64)) @ product
    assert torch.linalg.matrix_norm(product, 2) < 1.01
    torch.testing.assert_close(product.sum(0), torch.ones(4, dtype=torch.float64))


def test_attention_over_layers_starts_as_the_mean():
    given = [torch.randn(2, 3, 4) for _ in range(5)]
    torch.testing.assert_close(over_layers(given, torch.zeros(4)), torch.stack(given).mean(0))
    net = seeded(AveragedTransformer, blocks=2)
    assert net(tokens()).shape == (4, 8, 10)
    assert net.queries.shape == (5, 32)


def test_attention_over_layers_prefers_what_the_query_points_at():
    given = [torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 5.0]]])]
    found = over_layers(given, torch.tensor([0.0, 50.0]))
    torch.testing.assert_close(found, given[1])
