import { readFileSync } from 'node:fs';
import { DroverError, isDroverError } from '../shared/contracts/drover-error.ts';
import { armFailpoints } from '../shared/runtime/failpoint.ts';
import type { AgentOptionsInput } from './config.ts';
import { runAgent } from './run-agent.ts';

const configPath = process.argv[2];
const stopping = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopping.abort());

try {
  if (configPath === undefined) throw new DroverError('ARGUMENT_INVALID', 'usage: main.ts <agent configuration file>');
  armFailpoints(process.env.DROVER_FAILPOINTS);
  const config = JSON.parse(readFileSync(configPath, 'utf8')) as AgentOptionsInput;
  const environment = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  await runAgent({ ...config, environment }, stopping.signal, process.stderr);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = isDroverError(error) ? error.exitCode : 1;
}
