"""scikit-learn's HTML diagram of an estimator, and once it is fitted its network drawn below."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from sklearn.utils import estimator_html_repr

from ..core.network import Network


def with_network(
    estimator: Any,
    net: Network | None,
    features: Sequence[str] | None,
    classes: Sequence[object] | None,
) -> str:
    """The page of an estimator; None as its network where it is not fitted."""
    page = estimator_html_repr(estimator)
    if net is None:
        return page
    from ..report.diagram import network
    from ..report.files import to_svg

    data = b64encode(to_svg(network(net, features, classes)).encode()).decode()
    return f'{page}<img alt="the network" src="data:image/svg+xml;base64,{data}">'
