/** What the page says by itself; all else stands in index.html. */
const english = {
  revision: 'revision',
  loggedInAs: 'Logged in as',
  remove: 'Delete',
  pay: 'Pay',
  connecting: 'connecting',
  connected: 'live',
  away: 'not connected, trying again',
  loginWanted: 'log in first',
  unreachable: 'The platform cannot be reached.',
};

const chinese = {
  answeredBy: '响应实例',
  revision: '版本',
  account: '用户',
  userId: '用户 ID',
  show: '查看',
  loginOrRegister: '登录或注册',
  username: '用户名',
  password: '密码（至少 8 个字符）',
  login: '登录',
  register: '注册',
  logout: '退出登录',
  loggedInAs: '已登录：',
  devices: '设备',
  deviceName: '设备名称',
  create: '创建',
  remove: '删除',
  name: '名称',
  host: '主机',
  state: '状态',
  actions: '操作',
  noDevices: '还没有设备。',
  orders: '订单',
  order: '下单',
  plan: '套餐',
  planBasic: '基础版，100',
  planPro: '专业版，500',
  number: '编号',
  amount: '金额',
  pay: '支付',
  noOrders: '还没有订单。',
  notifications: '通知',
  noNotifications: '暂无通知。',
  connecting: '正在连接',
  connected: '实时接收',
  away: '连接已断开，正在重试',
  loginWanted: '请先登录',
  unreachable: '无法连接到平台。',
};

const isChinese = /^zh\b/i.test(navigator.language);

/** In the language of the browser: Chinese, else English. */
export const texts = isChinese ? chinese : english;

/** Puts the texts of index.html into that language. */
export function translatePage() {
  if (!isChinese) return;
  document.documentElement.lang = 'zh-CN';
  for (const element of document.querySelectorAll('[data-text]')) {
    element.textContent = chinese[element.dataset.text];
  }
}
