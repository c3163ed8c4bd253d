"""A way to a server that takes time, and that can be cut: bytes arrive `delay` seconds later, each way."""
import asyncio, threading


class Distance:
    def __init__(self, port, delay):
        self.target, self.delay, self.is_cut = port, delay, False
        self.writers = set()
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(started,), daemon=True)
        self.thread.start()
        assert started.wait(10)

    def run(self, started):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self.on_connection, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        self.loop.run_forever()

    async def on_connection(self, reader, writer):
        try:
            there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        self.writers |= {writer, there[1]}
        await asyncio.gather(self.carry(reader, there[1]), self.carry(there[0], writer))

    async def carry(self, reader, writer):
        try:
            while piece := await reader.read(65536):
                self.loop.call_later(self.delay, self.arrive, writer, piece)
        except (OSError, asyncio.CancelledError):
            pass
        self.loop.call_later(self.delay, writer.close)

    def arrive(self, writer, piece):
        if not self.is_cut and not writer.is_closing():
            writer.write(piece)

    def cut(self):
        """Nothing arrives any more, and nobody is told so."""
        self.is_cut = True

    def close(self):
        def end():
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.call_later(0.05, self.loop.stop)
        self.loop.call_soon_threadsafe(end)
        self.thread.join(5)
