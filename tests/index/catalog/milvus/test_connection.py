"""The door to pymilvus: errors that say what to do, and never hold a token."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import Index
from clr_search.index.catalog.milvus.address import TOKEN, Address
from clr_search.index.catalog.milvus.connection import Connection
from tests.index.catalog.milvus.conftest import SharedServer


def test_a_server_that_is_not_there_is_named_with_what_to_do() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and does not listen
        port = held.getsockname()[1]
        with pytest.raises(ClrSearchError, match=f"127.0.0.1:{port} cannot be reached") as caught:
            Connection(Address.read(f"milvus://127.0.0.1:{port}/photos"))
    assert caught.value.exit_code == 1
    assert "Check that it runs" in caught.value.remedy


def test_a_wrong_token_is_refused_and_not_repeated(
    server: SharedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for token in ("root:not the password", ""):
        monkeypatch.setenv(TOKEN, token)
        with pytest.raises(UsageError, match="refuses the token") as caught:
            Index.open(server.address("photos"))
        assert "not the password" not in f"{caught.value}{caught.value.__cause__}"
        assert TOKEN in caught.value.remedy


def test_a_database_that_is_not_there_is_named(server: SharedServer) -> None:
    address = server.address("photos").replace("/photos", "/nowhere/photos")
    with pytest.raises(UsageError, match=r"There is no collection|has no database nowhere"):
        Index.open(address)


def test_a_second_process_on_a_file_is_told_so(tmp_path: Path) -> None:
    address = f"milvus+file:{tmp_path / 'all.db'}/photos"
    with Index.create(address, dimension=4):
        program = f"from clr_search.index import Index; Index.open({address!r})"
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "Only one process at a time can use such a file" in run.stderr


def test_after_it_is_closed_a_collection_says_so(tmp_path: Path) -> None:
    index = Index.create(f"milvus+file:{tmp_path / 'all.db'}/photos", dimension=4)
    index.close()
    with pytest.raises(ClrSearchError, match="has been closed"):
        len(index)


def test_a_server_that_is_still_starting_is_one_to_come_back_to(tmp_path: Path) -> None:
    """Milvus 2.3.5, a second after it was killed and started again, said `unrecoverable error`."""
    connection = Connection(Address.read(f"milvus+file:{tmp_path / 'all.db'}/photos"))
    connection.address = Address.read("milvus://127.0.0.1:19530/photos")
    told = connection._told(connection._pymilvus.MilvusException(message="unrecoverable error"))
    connection.close()
    assert "127.0.0.1:19530 cannot be reached: unrecoverable error" in told.what
    assert "the same command goes on from there" in told.remedy
