"""What several tests start from: a tiny run, four scenes, a chat about them."""

import pytest


@pytest.fixture(scope="module")
def opened():
    # Imported here: the other tests of this folder need no model, some not even torch.
    from tests.tiny_runs import tiny_run

    return tiny_run("opt")


@pytest.fixture(scope="module")
def scenes(opened):
    from course_lib.data.toy import ToyScenes

    return ToyScenes(4, 0, "test", opened.encoder)


@pytest.fixture
def widget(opened, scenes):
    from course_lib.teach.chat_widget import ChatWidget

    return ChatWidget(opened, scenes)
