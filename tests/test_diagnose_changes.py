"""The changes that `diagnose` makes, on the networks of tables."""

import pytest
from support.table_runs import built, made_up

import chainrule as cr
from chainrule.diagnosing import changes
from chainrule.diagnosing.experiments import Setup


@pytest.mark.parametrize("preset", ["strong", "simple"])
@pytest.mark.parametrize("target", ["y", "z"])
def test_other_hidden_layers_keep_the_embeddings_before_them(preset: str, target: str) -> None:
    run = built(made_up(), target, preset, hidden=(6, 5))
    member = run.members[0]
    asked = Setup(cr.Configuration(member.net, run.loss), member.rows)
    for change, sizes in ((changes.shallow, [6]), (changes.wider, [24, 20])):
        net = change(asked, 1).config.net
        assert changes.hidden_sizes(net) == sizes
        assert changes.input_layers(net) == changes.input_layers(member.net)
        assert net.predict(member.rows.X).shape == (len(member.rows), net.n_out)
    kind = type(changes.activation_of(member.net))
    assert kind is (cr.ReLU if preset == "simple" else cr.ParametricActivation)
