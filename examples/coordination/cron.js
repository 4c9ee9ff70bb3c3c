// All instances declare the job; each tick runs on one of them. GET / says which, POST /run asks for a run now.
import { createServer } from 'node:http';
import { connect } from 'drover';

const { PORT = '3000', HOST = '127.0.0.1', SCHEDULE = '*/2 * * * * *' } = process.env;
const drover = connect();
let runsHere = 0;

const job = drover.cron(
  'cancel-expired-orders',
  SCHEDULE,
  async (run) => {
    // Before each effect: a host that was paused or cut off learns here that another may have taken over.
    run.assert();
    runsHere += 1;
    console.log(`ran ${run.runId} (${run.trigger})`);
    // What is returned is in the history, for everybody.
    return { cancelledBefore: run.tick };
  },
  // Ticks of the last ten minutes that nobody could run are made up for, one after the other.
  { overlap: 'skip', catchUp: { run: 'all', withinMs: 600_000 }, maxRunMs: 60_000 },
);

const server = createServer(async (request, response) => {
  try {
    if (request.method === 'POST' && request.url === '/run') {
      return answer(response, 202, { runId: await job.trigger() });
    }
    answer(response, 200, {
      identity: drover.identity,
      redis: drover.state,
      runsHere,
      nextTick: job.nextTick,
      lastRuns: await job.history({ limit: 10 }),
    });
  } catch (error) {
    // The job goes on by itself when Redis is back; until then nobody knows its history.
    const status = request.method === 'POST' ? 503 : 200;
    answer(response, status, { identity: drover.identity, redis: drover.state, runsHere, problem: error.message });
  }
});

function answer(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

server.listen(Number(PORT), HOST);
process.once('SIGINT', async () => {
  server.close();
  // A run in progress is given time to end.
  await drover.close();
});
