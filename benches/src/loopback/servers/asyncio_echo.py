"""asyncio's streams, as its documentation uses them. Prints its port; ends when standard input does."""

import asyncio
import os
import sys
import threading


async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def serve():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def exit_at_end_of_input():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=exit_at_end_of_input, daemon=True).start()
if sys.argv[1] == "uvloop":
    import uvloop

    uvloop.run(serve())
else:
    asyncio.run(serve())
