import { BlockList, isIPv6 } from 'node:net';

/** Networks that routers are in unless ROUTER_NETWORKS says so: this host, and private addresses. */
const privateNetworks = '127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7';

/**
 * For `trustProxy` of fastify: takes the word of routers for who the client is, and of nobody before them, since a client
 * may write anything into `X-Forwarded-For`. `hops` is how many of ours a request passes on its way here.
 */
export function trustRouters(hops: number, networks = privateNetworks): (address: string, hop: number) => boolean {
  const routers = new BlockList();
  for (const network of networks.split(',')) {
    const [address = '', prefix = isIPv6(address) ? '128' : '32'] = network.trim().split('/');
    routers.addSubnet(address, Number(prefix), isIPv6(address) ? 'ipv6' : 'ipv4');
  }
  return (address, hop) => hop < hops && routers.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
