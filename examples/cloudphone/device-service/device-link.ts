import { once } from 'node:events';
import { createConnection } from 'node:net';

/** What a phone says about itself. */
export interface DeviceStatus {
  readonly id: string;
  readonly pid: number;
  readonly upMs: number;
}

/** A connection to the control socket of a phone. As long as somebody touches it, the phone does not take itself for left alone. */
export interface DeviceLink {
  /** As of its last answer. */
  readonly status: DeviceStatus;
  /** False when the phone has ended, or has not answered in time. */
  readonly isOpen: boolean;
  /** Asks the phone to end. Resolves when the connection has. */
  end(): Promise<void>;
  close(): void;
}

export interface DeviceLinkOptions {
  /** How often the phone is told that somebody looks after it. Once, if not given. */
  readonly touchMs?: number;
  readonly onClose?: () => void;
}

/** A phone on the same host answers within milliseconds; a host under load may take its time. */
const answerTimeoutMs = 10_000;
const maxAnswerLength = 1000;

/** Connects to a phone and waits for its first answer. Rejects when none listens there. */
export async function openDeviceLink(controlPath: string, options: DeviceLinkOptions = {}): Promise<DeviceLink> {
  const { touchMs, onClose } = options;
  const socket = createConnection(controlPath);
  await once(socket, 'connect');
  const answered = Promise.withResolvers<void>();
  let status: DeviceStatus = { id: '', pid: 0, upMs: 0 };
  let rest = '';
  let isOwed = false;

  const touch = () => {
    if (isOwed) return;
    isOwed = true;
    socket.setTimeout(answerTimeoutMs);
    socket.write('touch\n');
  };
  const touching = touchMs === undefined ? undefined : setInterval(touch, touchMs);
  socket.setEncoding('utf8').on('data', (part: string) => {
    const lines = (rest + part).split('\n');
    rest = lines.pop() ?? '';
    const last = lines.at(-1);
    const said = last === undefined ? undefined : readStatus(last);
    // Its user may run anything in it: what it says must not end us.
    if (said === null || rest.length > maxAnswerLength) {
      return void socket.destroy(new Error('It does not talk as a device does'));
    }
    if (said === undefined) return;
    status = said;
    isOwed = false;
    socket.setTimeout(0);
    answered.resolve();
  });
  socket.on('timeout', () => socket.destroy());
  socket.on('error', answered.reject).on('close', () => {
    clearInterval(touching);
    answered.reject(new Error('The device closed the connection'));
    onClose?.();
  });
  touch();
  await answered.promise;
  return {
    get status() {
      return status;
    },
    get isOpen() {
      return !socket.destroyed && socket.readable;
    },
    async end() {
      if (socket.destroyed) return;
      const closed = once(socket, 'close');
      socket.setTimeout(answerTimeoutMs).write('end\n');
      await closed;
    },
    close: () => socket.destroy(),
  };
}

function readStatus(line: string): DeviceStatus | null {
  try {
    return JSON.parse(line) as DeviceStatus;
  } catch {
    return null;
  }
}
