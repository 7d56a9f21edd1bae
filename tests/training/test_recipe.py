import pytest

from edgessd.errors import InputError
from edgessd_training.loop.schedule import rate_factor
from edgessd_training.networks import build
from edgessd_training.recipe import Recipe, Schedule
from edgessd_training.recipe_file import SHIPPED, as_table, read_recipe, recipe_from, recipe_path
from edgessd_training.run.origin import public_source
from edgessd_training.run.state import differing

MINIMAL = 'name = "x"\n[network]\nfamily = "ssd300_vgg16"\n'


def write(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


def test_what_is_left_out_is_the_papers(tmp_path):
    recipe = read_recipe(write(tmp_path, MINIMAL))
    assert (recipe.batch_size, recipe.matching.iou, recipe.loss.negatives_per_positive) == (32, 0.5, 3.0)
    assert (recipe.optimizer.lr, recipe.optimizer.momentum, recipe.optimizer.weight_decay) == (1e-3, 0.9, 5e-4)


def test_a_resolved_recipe_reads_back(tmp_path):
    recipe = read_recipe(write(tmp_path, MINIMAL + "[augment]\nmulti_scale = [256, 320]\n"))
    assert recipe_from(as_table(recipe), where="here") == recipe


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("epoch = 3\n" + MINIMAL, "it has no key 'epoch': did you mean 'epochs'? known: name, network, epochs"),
        (MINIMAL + "[optimizer]\nlearning_rate = 1\n", "optimizer has no key 'learning_rate': known: kind, lr"),
        (MINIMAL + "[optimiser]\nlr = 1\n", "it has no key 'optimiser': did you mean 'optimizer'?"),
        (
            MINIMAL + "[optimizer]\nlr = '1e-3'\n",
            "optimizer.lr must be a number, got a text: write the number without quotes",
        ),
        (MINIMAL + "[optimizer]\nlr = true\n", "optimizer.lr must be a number, got true or false"),
        (MINIMAL + "[optimizer]\nmomentum = 1.5\n", "optimizer.momentum must be 0 to 1, got 1.5"),
        (MINIMAL + "[loss]\nboxes = 'l2'\n", "loss.boxes must be one of smooth_l1, giou, ciou, got 'l2'"),
        (MINIMAL + "[augment]\nfill_bgr = [1, 2]\n", "augment.fill_bgr must be a list of 3"),
        (MINIMAL + "[augment]\nmulti_scale = 300\n", "augment.multi_scale must be a list, got a whole number"),
        (MINIMAL + "[augment]\nmulti_scale = [300, 9]\n", "augment.multi_scale[1] must be 32 to 8192, got 9"),
        ("epochs = 0\n" + MINIMAL, "epochs must be 1 to 1e+09, got 0"),
        ("epochs = 1.5\n" + MINIMAL, "epochs must be a whole number, got 1.5"),
        ("loss = 3\n" + MINIMAL, "loss must be a table of keys and values, got a whole number"),
        ("name = 'x'\n", "it needs the key 'network': add it"),
        ("name = 'x'\n[network]\n", "network.family is missing"),
        (MINIMAL + "classes = 3\n", "network.classes is counted from the data"),
        ("name = \n", "it is no TOML"),
    ],
)
def test_a_wrong_recipe_is_refused(tmp_path, text, complaint):
    with pytest.raises(InputError) as caught:
        read_recipe(write(tmp_path, text))
    assert str(caught.value).startswith(f"the recipe {tmp_path / 'recipe.toml'}: ")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_changes_from_the_command_line(tmp_path):
    path = write(tmp_path, MINIMAL)
    changes = ["optimizer.lr=0.5", "start.backbone=a/b.pth", 'name="y"', "augment.multi_scale=[64, 96]", "epochs=2"]
    recipe = read_recipe(path, changes)
    assert (recipe.optimizer.lr, recipe.start.backbone, recipe.name) == (0.5, "a/b.pth", "y")
    assert recipe.augment.multi_scale == (64, 96)
    for wrong, complaint in (
        ("optimizer.lr", "--set takes key=value"),
        ("optimizer.momentun=1", "did you mean 'momentum'?"),
        ("name.first=1", "name is a value, not a table"),
    ):
        with pytest.raises(InputError) as caught:
            read_recipe(path, [wrong])
        assert complaint in str(caught.value)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_recipes_are_valid_and_name_themselves(path):
    recipe = read_recipe(recipe_path(path.stem))
    assert recipe.name == path.stem
    network = build({**recipe.network, "classes": 2})
    assert network.activation == {"softmax": "softmax"}.get(recipe.loss.scores, "sigmoid")


def test_unknown_recipe_lists_the_shipped_ones():
    with pytest.raises(InputError, match="ssdlite_mobilenet_v2"):
        recipe_path("ssd_lite")
    with pytest.raises(InputError, match="no recipe at"):
        recipe_path("missing.toml")


def test_only_what_changes_results_counts_as_another_recipe():
    recipe = as_table(Recipe("x", {"family": "f"}))
    assert differing({**recipe, "hardware": {}, "save": {}}, recipe) == []
    assert differing({**recipe, "optimizer": {**recipe["optimizer"], "lr": 7}}, recipe) == ["optimizer.lr"]


def test_schedules_by_hand():
    step = Schedule(kind="step", warmup_steps=3, milestones=(0.5, 0.75), gamma=0.1)
    assert [rate_factor(n, 8, step) for n in (0, 1, 2)] == pytest.approx([0.25, 0.5, 0.75])
    assert [rate_factor(n, 8, step) for n in (3, 4, 5, 6, 7)] == pytest.approx([1, 0.1, 0.1, 0.01, 0.01])
    cosine = Schedule(kind="cosine", warmup_steps=0, final=0.2)
    assert [rate_factor(n, 4, cosine) for n in (0, 2, 4)] == pytest.approx([1, 0.6, 0.2])
    assert rate_factor(5, 9, Schedule(kind="constant")) == 1


@pytest.mark.parametrize(
    ("source", "public"),
    [
        ("voc:/home/me/cells@train", "voc:cells@train"),
        ("coco:/data/a/boxes.json@/data/a/images", "coco:boxes.json@images"),
        ("yolo:cells.yaml@val", "yolo:cells.yaml@val"),
    ],
)
def test_a_card_names_the_data_and_no_folder_of_the_machine(source, public):
    assert public_source(source) == public
