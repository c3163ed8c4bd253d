"""An upstream whose every connection is played by a function of the test, byte by byte, and heard in full."""
import socket, struct, threading
from house import free_port


class Peer:
    """One connection: `heard` is every byte that came."""

    def __init__(self, sock, number):
        self.sock, self.number, self.heard, self.rest, self.thread = sock, number, b"", b"", None
        sock.settimeout(15)

    def more(self):
        piece = self.sock.recv(65536)
        self.heard += piece
        self.rest += piece
        return piece

    def head(self):
        """The next request head, or None at the end of the connection."""
        while b"\r\n\r\n" not in self.rest:
            if not self.more():
                return None
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        return head

    def body(self, length):
        while len(self.rest) < length:
            if not self.more():
                break
        body, self.rest = self.rest[:length], self.rest[length:]
        return body

    def request(self):
        """A head and its body of a given length."""
        head = self.head()
        if head is None:
            return None, b""
        lengths = [int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length:")]
        return head, self.body(lengths[0] if lengths else 0)

    def say(self, data):
        self.sock.sendall(data)

    def ok(self, body=b"ok"):
        self.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def die(self):
        """A reset from another thread than the one that plays it, which may be reading: that one closes it."""
        if self.thread is threading.current_thread():
            self.reset()
            return
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.shutdown(socket.SHUT_RD)
        except OSError:  # it has ended already
            return
        self.thread.join(15)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def always_ok(peer):
    while peer.request()[0] is not None:
        peer.ok()


class Scripted:
    def __init__(self, play=always_ok):
        self.play, self.peers, self.errors = play, [], []
        self.listener = socket.create_server(("127.0.0.1", free_port()), backlog=256)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.listen()

    def listen(self):
        self.thread = threading.Thread(target=self.accept, args=(self.listener,), daemon=True)
        self.thread.start()

    def accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            peer = Peer(sock, len(self.peers))
            self.peers.append(peer)
            peer.thread = threading.Thread(target=self.serve, args=(peer,), daemon=True)
            peer.thread.start()

    def serve(self, peer):
        try:
            self.play(peer)
        except OSError:
            pass
        except Exception as e:  # shown by the test
            self.errors.append(e)
        finally:
            peer.sock.close()

    @property
    def heard(self):
        return b"".join(p.heard for p in self.peers)

    def down(self):
        """As a replica that died: its connections are reset, and its port, which is kept, refuses new ones."""
        port = self.listener.getsockname()[1]
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        for peer in list(self.peers):
            peer.die()

    def up(self):
        self.listener.listen(256)
        self.listen()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        assert not self.errors, self.errors
