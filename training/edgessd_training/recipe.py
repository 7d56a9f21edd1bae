"""A training recipe: what a run does, as dataclasses whose types say what a key may be. ``recipe_file`` reads them.

Every default is the paper's where the paper says something (sec. 2.2 and 3.1). The reference in the documentation is
made of the docstrings, a key at a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from edgessd.errors import InputError
from edgessd.util.toml_table import Choice, Range

Fraction = Annotated[float, Range(0, 1)]
Count = Annotated[int, Range(0, 1_000_000_000)]
Positive = Annotated[int, Range(1, 1_000_000_000)]
Rate = Annotated[float, Range(0, 1000)]
Byte = Annotated[int, Range(0, 255)]


@dataclass(frozen=True)
class Start:
    """Where the weights come from. Paths count from the working folder, then from the recipe's.

    backbone: an ImageNet classifier's weights. checkpoint: a whole detector of this or other classes; its classifier
    rows are reused for classes of the same name, or as a map says. label_map: a shipped one, or a JSON file,
    ``{"name in the checkpoint": "name in the data"}``. keep: how much of a checkpoint's weights is mixed into what is
    judged and shipped (see ``ema.mixed``); for fine-tuning on data of the same kind.
    """

    backbone: str = ""
    checkpoint: str = ""
    label_map: str = ""
    keep: Fraction = 0.0


@dataclass(frozen=True)
class Data:
    """How images are read. difficult: "train" as the paper's code does, or "ignore" (neither object nor background).

    cache: keep decoded images in memory. workers: processes that read and augment, a training process each;
    0 reads in the training process.
    """

    difficult: Annotated[str, Choice(("train", "ignore"))] = "train"
    cache: bool = False
    workers: Annotated[int, Range(0, 256)] = 2


@dataclass(frozen=True)
class Augment:
    """Chances and strengths of the augmentation (paper, sec. 2.2 and 3.6).

    distort: chance of changed brightness, contrast, hue and saturation. distort_strength: share of the paper's ranges.
    zoom_out: chance of a larger canvas. zoom_out_most: its side, in sides of the image. crop: chance of a patch.
    widen: chance of a wider canvas, as cameras have. widen_most: its width, in heights. flip: chance of a mirror image.
    flip_vertical: chance of one upside down. mosaic: chance of four images in one. fill_bgr: colour of canvases.
    multi_scale: input sizes, one drawn a batch. plain_epochs: the last ones, which go without.
    """

    distort: Fraction = 1.0
    distort_strength: Fraction = 1.0
    zoom_out: Fraction = 0.5
    zoom_out_most: Annotated[float, Range(1, 8)] = 4.0
    crop: Fraction = 1.0
    widen: Fraction = 0.0
    widen_most: Annotated[float, Range(1, 4)] = 16 / 9
    flip: Fraction = 0.5
    flip_vertical: Fraction = 0.0
    mosaic: Fraction = 0.0
    fill_bgr: tuple[Byte, Byte, Byte] = (104, 117, 123)
    multi_scale: tuple[Annotated[int, Range(32, 8192)], ...] = ()
    plain_epochs: Count = 0


@dataclass(frozen=True)
class Matching:
    """A prior answers for the object it overlaps by more than ``iou`` (paper, sec. 2.2)."""

    iou: Fraction = 0.5


@dataclass(frozen=True)
class Loss:
    """What is summed (see ``edgessd_training.loss``): softmax needs a softmax network, focal a sigmoid one,
    varifocal one that tells distances (picodet_s), whose box loss has no choice.

    box_weight: the paper's alpha, the weight of the box loss. negatives_per_positive: of hard negative mining.
    alpha, gamma: of the focal loss, where alpha weighs the class that is there, and of the varifocal loss, where it
    weighs those that are not.
    """

    scores: Annotated[str, Choice(("softmax", "focal", "varifocal"))] = "softmax"
    boxes: Annotated[str, Choice(("smooth_l1", "giou", "ciou"))] = "smooth_l1"
    box_weight: Rate = 1.0
    negatives_per_positive: Annotated[float, Range(0.1, 1000)] = 3.0
    alpha: Fraction = 0.25
    gamma: Annotated[float, Range(0, 10)] = 2.0


@dataclass(frozen=True)
class Optimizer:
    """Steps through the weights.

    lr: the learning rate. backbone_lr: the backbone's own rate, ``lr`` if 0. momentum: of sgd. no_decay: spare biases
    and norms the weight decay. clip_norm: limit of the norm of all gradients; 0 for none. accumulate: batches a step.
    freeze_bn: keep batch norm's statistics and weights. freeze_convolutions: so many first ones of the backbone stay.
    ema: decay of averaged weights, which are judged and shipped; 0 for none.
    """

    kind: Annotated[str, Choice(("sgd", "adamw"))] = "sgd"
    lr: Rate = 1e-3
    backbone_lr: Rate = 0.0
    momentum: Fraction = 0.9
    weight_decay: Fraction = 5e-4
    no_decay: bool = True
    clip_norm: Rate = 0.0
    accumulate: Positive = 1
    freeze_bn: bool = False
    freeze_convolutions: Count = 0
    ema: Annotated[float, Range(0, 0.999999)] = 0.0


@dataclass(frozen=True)
class Schedule:
    """The learning rate over the run.

    warmup_steps: steps until the full rate. milestones: of ``step``, as fractions of the run. gamma: factor at each
    milestone. final: where cosine ends, as a fraction of the rate.
    """

    kind: Annotated[str, Choice(("step", "cosine", "constant"))] = "step"
    warmup_steps: Count = 0
    milestones: tuple[Fraction, ...] = (2 / 3, 5 / 6)
    gamma: Fraction = 0.1
    final: Fraction = 0.01


@dataclass(frozen=True)
class Hardware:
    """Where it runs; nothing here changes what is learnt, bar rounding. Under torchrun or SLURM devices and nodes are
    taken from there.

    devices: how many; 0 for all. nodes: machines. precision: auto is bf16 where the device has it, else 32.
    channels_last: memory layout of the convolutions. sync_bn: batch norm over all processes.
    """

    accelerator: Annotated[str, Choice(("auto", "cpu", "cuda", "mps"))] = "auto"
    devices: Annotated[int, Range(0, 1024)] = 0
    nodes: Annotated[int, Range(1, 1024)] = 1
    strategy: Annotated[str, Choice(("auto", "ddp"))] = "auto"
    precision: Annotated[str, Choice(("auto", "32", "bf16", "16"))] = "32"
    channels_last: bool = False
    sync_bn: bool = False


@dataclass(frozen=True)
class Evaluation:
    """Judging on --val every so many epochs, and at the end, with the shipped decoding and NMS."""

    every: Positive = 1
    metric: Annotated[str, Choice(("voc07", "voc12", "coco"))] = "voc07"
    nms_iou: Annotated[float, Range(0.05, 0.95)] = 0.45


@dataclass(frozen=True)
class Save:
    """How often the run's state is written, in steps; 0 for the ends of epochs alone."""

    every_steps: Count = 200


@dataclass(frozen=True)
class Quantisation:
    """Quantisation-aware training from a detector's weights (see ``edgessd_training.loop.fake_int8``).

    variant: the engine, none for training in float. images: of the training data, to measure ranges on. keep_float:
    layers by name.
    """

    variant: Annotated[str, Choice(("none", "cpu", "tensorrt"))] = "none"
    images: Positive = 200
    keep_float: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """One training run. batch_size: images a step, over all processes, before accumulation.

    network: the description for ``edgessd_training.networks.build``, without ``classes``, which come from the data.
    origin, license: what the model's card says.
    """

    name: str
    network: Mapping[str, Any]
    epochs: Positive = 120
    batch_size: Positive = 32
    seed: Count = 0
    origin: str = "trained with edgessd"
    license: str = ""
    start: Start = Start()
    data: Data = Data()
    augment: Augment = Augment()
    matching: Matching = Matching()
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    quantisation: Quantisation = Quantisation()
    hardware: Hardware = Hardware()
    evaluation: Evaluation = Evaluation()
    save: Save = Save()

    def __post_init__(self) -> None:
        """Raise InputError for a network without a family, or with classes, which are counted."""
        if "classes" in self.network:
            raise InputError("network.classes is counted from the data", fix="leave it out")
        if not isinstance(self.network.get("family"), str):
            raise InputError("network.family is missing", fix="name a network, such as ssd300_vgg16")
