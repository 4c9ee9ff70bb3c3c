// Opens job schedules, and closes them when its standard input ends. It must then end by itself.

import { createJobSchedules } from '../../../controller/jobs/job-schedules.ts';
import { silentLogger } from '../../../shared/runtime/logger.ts';

const [redisUrl = ''] = process.argv.slice(2);
const schedules = createJobSchedules({
  redisUrl,
  keyPrefix: 'test',
  logger: silentLogger,
  onTick: async () => undefined,
});
process.stdout.write('open\n');
process.stdin.resume().once('end', async () => {
  await schedules.close();
  process.stdout.write('closed\n');
});
