import type { z } from 'zod';
import { agentOptionsSchema } from '../../agent/config.ts';
import type { CommandDefinition } from '../../cli/command.ts';
import { agentJoin } from '../../cli/commands/agent-join.ts';
import { controllerStart } from '../../cli/commands/controller-start.ts';
import { controllerOptionsSchema } from '../../controller/config.ts';
import { serviceSpecSchema } from '../../shared/contracts/spec.ts';
import {
  commandVariables,
  type EnvironmentVariable,
  handStartedVariables,
  serverVariables,
  workerVariables,
} from './environment-variables.ts';
import { specNotes } from './field-notes.ts';
import { code, renderTable } from './markdown.ts';
import { type SchemaRow, schemaRows } from './schema-rows.ts';

/** Fields whose option has another name, or that are an argument. */
const agentFlags: Readonly<Record<string, string>> = {
  dataDirectory: 'data',
  'join.controllerUrl': '',
  'join.token': 'tokenFile',
  labels: 'label',
};

/** The page of all settings: controller, agent, environment, service spec. */
export function renderConfiguration(): string[] {
  return [
    '# Configuration',
    '',
    'There is no configuration file for controllers and agents: what they need is on their command line, and all else comes',
    'from the cluster. Durations are milliseconds and sizes are bytes; the command line and the ecosystem file also take',
    'texts such as `10s` and `512M`.',
    '',
    '## Controller',
    '',
    'Options of `drover controller start`. A field without an option has its default value, except in a program that embeds a',
    'controller.',
    '',
    ...optionTable(controllerOptionsSchema, (path) => flagsOf(controllerStart, path)),
    '',
    'The URL of Redis comes from `--redis-url-file`, else `DROVER_REDIS_URL`, else `--redis-url`, which other users of the host can see.',
    '',
    '## Agent',
    '',
    'Arguments and options of `drover agent join`.',
    '',
    ...optionTable(agentOptionsSchema, agentOption),
    '',
    '## Environment variables',
    '',
    'Of the command line:',
    '',
    ...variableTable(commandVariables),
    '',
    'Of the programs that need a Redis:',
    '',
    ...variableTable(serverVariables),
    '',
    '## Environment of a worker',
    '',
    'A worker gets `env` of its spec; of the environment of the agent only `PATH`, `HOME`, `LANG`, `TZ`, `USER`, `LOGNAME`,',
    '`SHELL` and `TMPDIR`; and these, which a spec cannot change:',
    '',
    ...variableTable(workerVariables),
    '',
    'A process that is started by hand, outside of a cluster, may be given those of them that it needs, and:',
    '',
    ...variableTable(handStartedVariables),
    '',
    '## Service spec',
    '',
    'What an ecosystem file is translated to, what `PUT /v1/services/:name` takes, and what `drover plan` compares.',
    '[ecosystem.md](ecosystem.md) says which field of the file becomes which field here.',
    '',
    ...renderTable(
      ['field', 'type and limits', 'default', ''],
      specRows().map(({ path, type, default: value, required, description }) => [
        code(path),
        type,
        required ? 'required' : value,
        description,
      ]),
    ),
    '',
  ];
}

/** The rows of the spec with a word for each: of the contract, else of the notes. */
export function specRows(): SchemaRow[] {
  return schemaRows(serviceSpecSchema, { io: 'input' }).map((row) => ({
    ...row,
    description: [row.description, specNotes[row.path] ?? ''].filter((text) => text !== '').join('. '),
  }));
}

function optionTable(schema: z.ZodType, optionOf: (path: string) => string): string[] {
  return renderTable(
    ['option', 'field', 'type and limits', 'default', ''],
    schemaRows(schema, { io: 'input' }).map(({ path, type, default: value, description }) => [
      optionOf(path),
      code(path),
      type,
      value,
      description,
    ]),
  );
}

function flagsOf({ options }: CommandDefinition, name: string): string {
  return code(options[name]?.flags ?? '');
}

function agentOption(path: string): string {
  const [field = ''] = path.split(/\.(?!controllerUrl|token)/);
  const name = agentFlags[field] ?? field;
  return name === '' ? code(agentJoin.arguments.controller?.form ?? '') : flagsOf(agentJoin, name);
}

function variableTable(variables: readonly EnvironmentVariable[]): string[] {
  return renderTable(
    ['variable', ''],
    variables.map(({ name, meaning }) => [code(name), meaning]),
  );
}
