import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DroverError } from '../../shared/contracts/drover-error.ts';
import type { CommandContext } from '../context.ts';
import { readConfigFile } from './config-file.ts';
import { readSecret } from './read-secret.ts';

/** How to reach one cluster. */
export interface Connection {
  readonly urls: readonly string[];
  readonly token?: string;
  /** PEM. */
  readonly ca?: string;
  /** Where this came from, for `doctor`. */
  readonly source: string;
}

type Needs = Pick<CommandContext, 'globals' | 'environment' | 'home' | 'directory' | 'stdin'>;

/** The file that remembers clusters. */
export function configPath({ globals, environment, home, directory }: Omit<Needs, 'stdin'>): string {
  const given = globals.config ?? environment.DROVER_CONFIG;
  return given === undefined || given === '' ? join(home, '.drover/config.json') : resolve(directory, given);
}

/**
 * Options go before environment variables, and these before the config file. The file's token is never sent to a
 * controller that the file does not name.
 */
export async function resolveConnection(needs: Needs): Promise<Connection> {
  const { globals, environment, directory } = needs;
  const file = configPath(needs);
  const config = await readConfigFile(file);
  const known = config?.contexts[config.current];
  if (config !== null && known === undefined) {
    throw new DroverError('FILE_INVALID', `${file}: current is "${config.current}", but contexts has no such cluster`, {
      issues: [{ path: 'current', reason: 'names no context', allowed: Object.keys(config.contexts).join(', ') }],
    });
  }
  const given = globals.url ?? environment.DROVER_URL;
  const urls = given ? parseUrls(given, globals.url === undefined ? 'DROVER_URL' : '--url') : known?.urls;
  if (urls === undefined) {
    throw new DroverError(
      'ARGUMENT_INVALID',
      `No cluster is configured. Start one on this host with "drover up", or name a controller with --url (or DROVER_URL) and its token with --token-file (or DROVER_TOKEN); looked in ${file}`,
    );
  }
  const trusted = known !== undefined && urls.every((url) => known.urls.some((other) => sameOrigin(url, other)));
  const token = (await readToken(needs)) ?? (trusted ? known.token : undefined);
  const caGiven = globals.ca ?? environment.DROVER_CA;
  const ca = caGiven ? await readAuthority(caGiven, directory) : trusted ? known.ca : undefined;
  return {
    urls,
    source: given ? (globals.url === undefined ? 'DROVER_URL' : '--url') : `${file} (${config!.current})`,
    ...(token === undefined ? {} : { token }),
    ...(ca === undefined ? {} : { ca }),
  };
}

async function readToken(needs: Needs): Promise<string | undefined> {
  const { globals, environment } = needs;
  if (globals.tokenFile !== undefined) return readSecret(globals.tokenFile, '--token-file', needs);
  if (environment.DROVER_TOKEN) return environment.DROVER_TOKEN;
  return environment.DROVER_TOKEN_FILE
    ? readSecret(environment.DROVER_TOKEN_FILE, 'DROVER_TOKEN_FILE', needs)
    : undefined;
}

function parseUrls(list: string, origin: string): string[] {
  return list.split(',').map((text) => {
    const url = URL.parse(text.trim());
    if (url !== null && /^https?:$/.test(url.protocol)) return url.origin;
    throw new DroverError('ARGUMENT_INVALID', `${origin}: "${text.trim()}" is not a url`, {
      issues: [{ path: origin, reason: 'is not a url', allowed: 'https://host:port, several separated by commas' }],
    });
  });
}

function sameOrigin(a: string, b: string): boolean {
  return URL.parse(a)?.origin === URL.parse(b)?.origin;
}

async function readAuthority(given: string, directory: string): Promise<string> {
  if (given.includes('-----BEGIN CERTIFICATE-----')) return given;
  const file = resolve(directory, given);
  const pem = await readFile(file, 'utf8').catch((error) => {
    throw new DroverError('FILE_UNREADABLE', `The certificate authority ${file} cannot be read: ${error.message}`, {
      cause: error,
    });
  });
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  throw new DroverError('FILE_INVALID', `${file} holds no certificate (PEM)`);
}
