import { disturbances } from '../verify/disturbances.ts';
import { type LocalPlatform, startPlatform } from '../verify/start-platform.ts';
import { verificationList } from '../verify/verification-list.ts';
import { verifyDuring } from '../verify/verify-during.ts';
import type { Scene } from './scene.ts';

/** `npm run verify` has more of everything; here other scenes want their time too. */
const scale = { devices: 30, callbacks: 100 };

/**
 * The six services of the example platform on the same cluster: their verification list, while every one of them is
 * redeployed. `onStarted` gets what ends the platform together with its cluster.
 */
export function platformRedeployed(onStarted: (platform: LocalPlatform) => void): Scene {
  return async ({ cluster, tell }, check) => {
    const platform = await startPlatform({ cluster });
    onStarted(platform);
    tell(`  the platform is at ${platform.url('api-gateway')}`);
    const disturbance = disturbances.deploys;
    // The list is gone through again and again: each promise is told once, with the time at which it was broken, if any.
    const told = new Map<string, { kept: boolean; measured: string; times: number }>();
    for (const { title, claims } of await verifyDuring({ platform, list: verificationList, scale, disturbance })) {
      const what = title.slice(title.indexOf(': ') + 2);
      for (const { promise, kept, measured } of claims) {
        const before = told.get(`${what}: ${promise}`);
        const times = (before?.times ?? 0) + 1;
        const latest = before?.kept === false ? before : { kept, measured };
        told.set(`${what}: ${promise}`, { ...latest, times });
      }
    }
    for (const [promise, { kept, measured, times }] of told) {
      check(promise, kept, times === 1 ? measured : `${times} times; ${measured}`);
    }
  };
}
