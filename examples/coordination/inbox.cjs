// CommonJS works as well. PUT /users/ada/messages keeps a message, GET /users/ada/messages hands out what is kept, at any instance.
const { createServer } = require('node:http');
const { text } = require('node:stream/consumers');
const { connect, isDroverError } = require('drover');

const { PORT = '3000', HOST = '127.0.0.1' } = process.env;
const drover = connect();
/** At least once: the newest hundred of each user, for a week. */
const inbox = drover.inbox('notices', { maxLength: 100 });
const counts = { kept: 0, delivered: 0 };

const server = createServer(async (request, response) => {
  const user = /^\/users\/([\w-]{1,100})\/messages$/.exec(request.url)?.[1];
  try {
    if (user !== undefined && request.method === 'PUT') {
      // The same id again is the same message: a client that had no answer may repeat itself.
      await inbox.put(user, JSON.parse(await text(request)), { id: request.headers['x-id'] });
      counts.kept += 1;
      return answer(response, 202, { kept: true });
    }
    if (user !== undefined && request.method === 'GET') {
      const messages = [];
      counts.delivered += await inbox.deliver(user, (message, { id }) => void messages.push({ id, message }));
      return answer(response, 200, { user, messages });
    }
    answer(response, 200, { identity: drover.identity, redis: drover.state, ...counts });
  } catch (error) {
    const status = isDroverError(error) ? error.status : error instanceof SyntaxError ? 400 : 500;
    answer(response, status, { code: error.code, message: error.message });
  }
});

function answer(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

server.listen(Number(PORT), HOST);
process.once('SIGINT', async () => {
  server.close();
  await drover.close();
});
