// POST /news tells all instances; POST /jobs gives a piece of work to one of them; GET / shows what arrived here, and who is there.
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { connect, isDroverError } from 'drover';

const { PORT = '3000', HOST = '127.0.0.1' } = process.env;
const drover = connect();
const heard = [];
const handled = [];
const gaps = [];
const keepLast = (list, item) => {
  list.push(item);
  if (list.length > 100) list.shift();
};

// At most once, to whoever listens now. After a gap something may have been missed: read the state again that it is about.
const news = drover.topic('news');
const listening = news.subscribe((message) => keepLast(heard, message), { onGap: (gap) => keepLast(gaps, gap) });

// At least once, to one instance of the group; of an instance that died another takes it over.
const jobs = drover.stream('jobs');
const consumer = jobs.consume('workers', (message, { id, deliveries }) =>
  keepLast(handled, { id, deliveries, message }),
);

// Gone by itself when this process is.
const presence = drover.presence('instances');
await presence.join(drover.identity, { pid: process.pid });

const server = createServer(async (request, response) => {
  try {
    if (request.method === 'POST' && request.url === '/news') {
      return answer(response, 202, { receivers: await news.publish(JSON.parse(await text(request))) });
    }
    if (request.method === 'POST' && request.url === '/jobs') {
      // With an id of the caller, a job that is sent again after a lost answer is kept once.
      return answer(
        response,
        202,
        await jobs.publish(JSON.parse(await text(request)), { id: request.headers['x-id'] }),
      );
    }
    const present = await presence.list().then((all) => all.map(({ member }) => member).sort());
    answer(response, 200, { identity: drover.identity, redis: drover.state, heard, handled, gaps, present });
  } catch (error) {
    const status = isDroverError(error) ? error.status : error instanceof SyntaxError ? 400 : 500;
    answer(response, status, { code: error.code, message: error.message });
  }
});

function answer(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

// Only now: what is sent to an instance that is said to be ready should arrive.
await Promise.all([listening.ready, consumer.ready]);
server.listen(Number(PORT), HOST);
process.once('SIGINT', async () => {
  server.close();
  await drover.close();
});
