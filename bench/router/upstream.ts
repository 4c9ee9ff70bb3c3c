// One bench upstream: answers every request on a connection with the same small response, at the lowest cost that
// Node allows, so that the proxies are compared and not the upstream. Prints its port and runs until it is killed.
import { createServer } from 'node:net';

const RESPONSE =
  'HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n' +
  'Connection: keep-alive\r\nKeep-Alive: timeout=72\r\nContent-Length: 13\r\n\r\nhello, world\n';
const END_OF_HEAD = '\r\n\r\n';

const server = createServer({ noDelay: true }, (socket) => {
  let rest = '';
  socket.setEncoding('latin1');
  socket.on('error', () => socket.destroy());
  socket.on('data', (text: string) => {
    const all = rest + text;
    let answers = '';
    let from = 0;
    for (let at = all.indexOf(END_OF_HEAD); at !== -1; at = all.indexOf(END_OF_HEAD, from)) {
      answers += RESPONSE;
      from = at + END_OF_HEAD.length;
    }
    rest = from === all.length ? '' : all.slice(from);
    if (answers !== '') socket.write(answers, 'latin1');
  });
});

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') process.stdout.write(`${address.port}\n`);
});
