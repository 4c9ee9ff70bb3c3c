import type { Redis } from 'ioredis';

/** CPU time used since its start, in µs. */
export interface CpuUse {
  readonly clientUs: number;
  readonly serverUs: number;
}

export interface CpuMeter {
  read(): Promise<CpuUse>;
}

/** Reads the CPU time of this process and of a Redis. */
export function createCpuMeter(redis: Redis): CpuMeter {
  return {
    async read() {
      const info = await redis.info('cpu');
      const seconds = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]);
      const { user, system } = process.cpuUsage();
      return { clientUs: user + system, serverUs: (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1e6 };
    },
  };
}
