import { resolve } from 'node:path';
import { z } from 'zod';
import { defineCommand } from '../command.ts';
import { analyse } from '../preflight/analyse.ts';
import { listSources } from '../preflight/list-sources.ts';
import { rules } from '../preflight/rules.ts';
import { renderFindings } from '../render/findings.ts';

export const preflight = defineCommand({
  name: 'preflight',
  summary: 'Find what in the code of a service is unsafe at more than one instance, and say what mends it',
  details:
    'Reads JavaScript and TypeScript and runs none of it; no cluster is needed. A place that is safe all the same is left out by a comment on the line before it: // drover-ignore-next-line <rule>: <reason>',
  arguments: {
    directory: {
      form: '[directory]',
      summary: 'The service (default: this directory)',
      schema: z.string().default('.'),
    },
  },
  options: {},
  examples: [
    { command: 'drover preflight', means: 'before the first deploy with more than one instance' },
    { command: 'drover preflight services/api --json', means: 'for a pipeline: exit code 8 when something is found' },
  ],
  exitCodes: [0, 1, 8],
  async run({ args, context }) {
    const { output } = context;
    const { files, tooLarge } = await listSources(resolve(context.directory, args.directory));
    const findings = analyse(files);
    const isSafe = findings.length === 0;
    if (output.json) {
      const described = findings.map((finding) => ({ ...finding, ...rules[finding.rule] }));
      output.object({ ok: isSafe, files: files.length, tooLarge, findings: described });
      return isSafe ? 0 : 8;
    }
    for (const line of renderFindings(findings, output.colors)) output.line(line);
    if (tooLarge.length > 0) output.note(`not looked at, because they are over 1 MiB: ${tooLarge.join(', ')}`);
    const looked = `${files.length} ${files.length === 1 ? 'file' : 'files'} looked at`;
    const count = `${findings.length} ${findings.length === 1 ? 'finding' : 'findings'}`;
    output.line(isSafe ? `${looked}: nothing found that is unsafe at more than one instance` : `${looked}: ${count}`);
    return isSafe ? 0 : 8;
  },
});
