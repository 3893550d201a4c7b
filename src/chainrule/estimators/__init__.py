"""scikit-learn's estimators on chainrule's networks."""
