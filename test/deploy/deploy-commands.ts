import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

export const deployFolder = path.resolve(import.meta.dirname, '../../deploy');
export const composeFile = path.join(deployFolder, '../docker-compose.yml');
export const unitNames = ['drover-controller.service', 'drover-agent.service'];

export type ComposeService = {
  image: string;
  build?: { context: string; dockerfile: string };
  command?: string[];
  environment?: Record<string, string>;
  volumes?: string[];
  networks?: string[];
  restart?: string;
  healthcheck?: { test: string[] };
  depends_on?: Record<string, { condition: string }>;
};

export type Compose = {
  name: string;
  services: Record<string, ComposeService>;
  networks: Record<string, unknown>;
  volumes: Record<string, unknown>;
};

/** A `drover` command line as we ship it, without the word `drover`. */
export type DeployCommand = { source: string; argv: string[] };

export function readCompose(): Compose {
  return parse(readFileSync(composeFile, 'utf8'), { merge: true }) as Compose;
}

export function readUnit(name: string): string {
  return readFileSync(path.join(deployFolder, 'systemd', name), 'utf8');
}

/** Every `drover` command in docker-compose.yml and the systemd units; variables of the units have their example values. */
export function readDeployCommands(): DeployCommand[] {
  const composed = Object.entries(readCompose().services)
    .filter(([, service]) => service.build !== undefined)
    .map(([name, service]) => ({ source: `docker-compose.yml ${name}`, argv: toArguments(service.command ?? []) }));
  const units = unitNames.map((name) => ({ source: name, argv: readUnitCommand(name) }));
  return [...composed, ...units];
}

/** The words after `drover`, also where a shell runs the command to send its output to a file. */
function toArguments(command: readonly string[]): string[] {
  const script = command.length === 1 ? /\bdrover ([^>|&;]+)/.exec(command[0]!)?.[1] : undefined;
  return script === undefined ? [...command] : script.trim().split(' ');
}

function readUnitCommand(name: string): string[] {
  const variables = readEnvironmentFile(name.replace(/^drover-(.*)\.service$/, '$1.env'));
  const line = /^ExecStart=\/usr\/bin\/drover (.*)$/m.exec(readUnit(name))?.[1] ?? '';
  return line
    .replaceAll('%d', '/run/credentials')
    .replace(/\$\{?(\w+)\}?/g, (_match, variable: string) => {
      const value = variables.get(variable);
      if (value === undefined) throw new Error(`${name} uses ${variable}, which its example settings do not have`);
      return value;
    })
    .split(' ')
    .filter((word) => word !== '');
}

function readEnvironmentFile(name: string): Map<string, string> {
  const text = readFileSync(path.join(deployFolder, 'systemd', name), 'utf8');
  return new Map([...text.matchAll(/^(\w+)=(.*)$/gm)].map((match) => [match[1]!, match[2]!]));
}
