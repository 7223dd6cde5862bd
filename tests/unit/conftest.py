"""What several tests start from: the console script; a tiny run, four scenes, a chat about them."""

import pytest


@pytest.fixture
def course(monkeypatch, capsys):
    """Runs the console script in this process; gives (exit code, standard output, errors)."""
    from course_lib import cli

    def run(*words):
        monkeypatch.setattr("sys.argv", ["course", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
            raise SystemExit(0)
        printed = capsys.readouterr()
        return stopped.value.code or 0, printed.out, printed.err

    return run


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
