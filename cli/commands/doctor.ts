import { defineCommand } from '../command.ts';
import { checkCluster } from '../doctor/check-cluster.ts';
import { checkConfiguration } from '../doctor/check-configuration.ts';
import { checkControllers } from '../doctor/check-controllers.ts';
import type { CheckResult } from '../doctor/check-result.ts';

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'Check configuration, controllers, TLS, token, clocks, Redis, nodes, versions and disk, and say what to do',
  arguments: {},
  options: {},
  examples: [{ command: 'drover doctor', means: 'the first thing to run when something is odd' }],
  exitCodes: [0, 1],
  async run({ context }) {
    const { output } = context;
    const { green, yellow, red, dim } = output.colors;
    const results: CheckResult[] = await checkConfiguration(context);
    const connection = await context.connection().catch(() => undefined);
    if (connection !== undefined) {
      const reached = await checkControllers(connection, context.signal);
      results.push(...reached);
      if (reached.some(({ name, level }) => name.startsWith('controller') && level === 'ok')) {
        results.push(...(await checkCluster(await context.client())));
      }
    }
    const failed = results.some(({ level }) => level === 'fail');
    if (output.json) {
      output.object({ ok: !failed, checks: results });
      return failed ? 1 : 0;
    }
    const paint = { ok: green, warn: yellow, fail: red } as const;
    for (const { level, name, finding, fix } of results) {
      output.line(`${paint[level](level.padEnd(4))} ${name}: ${finding}`);
      if (fix !== undefined) output.line(dim(`     → ${fix}`));
    }
    return failed ? 1 : 0;
  },
});
