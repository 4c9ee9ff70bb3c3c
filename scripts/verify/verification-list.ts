import { devicePorts } from './checks/device-ports.ts';
import { loadBalancing } from './checks/load-balancing.ts';
import { notifications } from './checks/notifications.ts';
import { payment } from './checks/payment.ts';
import { sessions } from './checks/sessions.ts';
import { uploads } from './checks/uploads.ts';
import type { Verification } from './verification.ts';

/** What has to hold of a platform that was deployed, in the order in which it is shown. */
export const verificationList: readonly Verification[] = [
  devicePorts,
  payment,
  notifications,
  loadBalancing,
  uploads,
  sessions,
];
