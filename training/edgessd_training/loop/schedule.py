"""The learning rate over a run, as a factor of the recipe's."""

from math import cos, pi

from edgessd_training.recipe import Schedule


def rate_factor(step: int, total: int, schedule: Schedule) -> float:
    """Return the factor for a step counted from 0, of ``total`` steps.

    Warm-up rises linearly from a first step above 0. ``step`` is the paper's: times gamma at every milestone
    (paper, sec. 3.1: after 2/3 and 5/6 of the iterations on VOC2007).
    """
    if step < schedule.warmup_steps:
        return (step + 1) / (schedule.warmup_steps + 1)
    match schedule.kind:
        case "cosine":
            done = (step - schedule.warmup_steps) / max(1, total - schedule.warmup_steps)
            return schedule.final + (1 - schedule.final) * (1 + cos(pi * done)) / 2
        case "step":
            return float(schedule.gamma ** sum(step >= milestone * total for milestone in schedule.milestones))
        case _:
            return 1.0
