import { askOnce } from './ask.ts';
import { runShell } from './shell.ts';

/** Where the router listens for each service, as the verification list has it. */
export const seedPorts = {
  'api-gateway': 30_000,
  'user-service': 30_001,
  'device-service': 30_002,
  'app-service': 30_003,
  'billing-service': 30_005,
  'notification-service': 30_006,
} as const;

export type ServiceName = keyof typeof seedPorts;
export const serviceNames = Object.keys(seedPorts) as ServiceName[];

/** One healthy instance, and how it is reached without the router. */
export interface PlatformInstance {
  readonly url: string;
  /** For people, such as `#0 on host-1`. */
  readonly name: string;
}

/** The platform as clients and people see it: the checks need no more. */
export interface Platform {
  /** Base URL of a service through the router. */
  url(service: ServiceName): string;
  instances(service: ServiceName): Promise<readonly PlatformInstance[]>;
  /** Address at which the ports of devices of a host are reached. */
  addressOf(host: string): Promise<string>;
  /** Environment in which `drover` speaks to the cluster. */
  readonly env: Readonly<Record<string, string>>;
  /** What stands for `drover` where there is no cluster: words of bash. */
  readonly drover?: string;
  /** Something is being done to it: instances come and go, and what they do may take its time. */
  readonly isDisturbed?: boolean;
  /** Nothing is done for a user who has not logged in. */
  readonly mustLogIn?: boolean;
  /** What callbacks of the payment provider are signed with. */
  readonly paymentSecret?: string | undefined;
}

export interface DeployedPlatformOptions {
  /** Where the router is: `http://host:port` of the api-gateway; the other services are at the same distance as in `seedPorts`. */
  readonly base: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly paymentSecret?: string | undefined;
}

interface Listed {
  readonly name: string;
  readonly instances: readonly {
    readonly slot: number;
    readonly nodeId: string;
    readonly port: number | null;
    readonly desired: string;
    readonly status: { readonly state: string; readonly health: string };
  }[];
}

/** A platform on a cluster, whose instances `drover ls` finds. */
export function deployedPlatform({ base, env = {}, paymentSecret }: DeployedPlatformOptions): Platform {
  const { protocol, hostname, port } = new URL(base);
  const first = Number(port === '' ? 80 : port);
  const list = async <T>(command: string): Promise<T> => {
    const { code, stdout, stderr } = await runShell(`drover ${command} --json`, env);
    if (code !== 0) throw new Error(`drover ${command}: ${stderr}`);
    return JSON.parse(stdout) as T;
  };
  const listNodes = () => list<{ id: string; name: string; address: string }[]>('node ls');
  return {
    env: paymentSecret === undefined ? env : { ...env, PAYMENT_SECRET: paymentSecret },
    paymentSecret,
    url: (service) => `${protocol}//${hostname}:${first + seedPorts[service] - seedPorts['api-gateway']}`,
    async instances(service) {
      const [services, nodes] = await Promise.all([list<Listed[]>('ls'), listNodes()]);
      const found = services.find(({ name }) => name === service)?.instances ?? [];
      return found
        .filter(({ desired, status }) => desired === 'run' && status.state === 'running' && status.health === 'healthy')
        .flatMap(({ slot, nodeId, port: own }) => {
          const node = nodes.find(({ id }) => id === nodeId);
          return node === undefined ? [] : [{ name: `#${slot} on ${node.name}`, url: `http://${node.address}:${own}` }];
        });
    },
    async addressOf(host) {
      const node = (await listNodes()).find(({ name }) => name === host);
      if (node === undefined) throw new Error(`there is no host ${host}`);
      return node.address;
    },
  };
}

/** Whether the gateway wants to know who asks. One that does not answer is found out about by the checks. */
export async function isLoginRequired(platform: Platform): Promise<boolean> {
  const answer = await askOnce(`${platform.url('api-gateway')}/api/devices`).catch(() => undefined);
  return answer?.status === 401;
}

/**
 * The platform while instances come and go: nobody speaks to one of them, each request goes through the router to any. What
 * curl cannot reach it asks again, where `curlHome` has a file that says so.
 */
export function disturbedPlatform(platform: Platform, curlHome?: string): Platform {
  return {
    ...platform,
    isDisturbed: true,
    env: { ...platform.env, ...(curlHome === undefined ? {} : { CURL_HOME: curlHome }) },
    instances: async (service) =>
      Array.from({ length: 2 }, () => ({ name: 'whichever answers', url: platform.url(service) })),
  };
}
