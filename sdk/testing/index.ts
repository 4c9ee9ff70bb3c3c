/** `import { openTestDrover } from 'drover/testing'` */

export { FakeClock } from '../../shared/runtime/fake-clock.ts';
export { openTestDrover, type TestDrover, type TestDroverOptions } from './open-test-drover.ts';
export { startTestRedis, type TestRedis, type TestRedisOptions } from './test-redis.ts';
