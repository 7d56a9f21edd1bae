"""The training package's verbs, one module each; torch is imported inside the verbs that need it."""

import typer

from edgessd_training.commands import data, data_priors, data_show, evaluate, import_weights, label, score, train


def register(app: typer.Typer) -> None:
    """Add the training package's verbs to the command."""
    app.command("import")(import_weights.import_weights)
    app.command("eval")(evaluate.evaluate)
    app.command("score")(score.score)
    app.command("train")(train.train)
    app.command("label")(label.label)
    data.app.command("show")(data_show.show)
    data.app.command("priors")(data_priors.priors)
    app.add_typer(data.app)
