// The default theme with the fonts of the reader's system: nothing to load.
import { h } from 'vue';
import DefaultTheme from 'vitepress/theme-without-fonts';
import './style.css';

const terminal = () => h('pre', { class: 'first-message', 'aria-label': 'A first message' }, [
  h('i', '# one terminal\n'), '$ hubgate\n\n',
  h('i', '# a second one\n'), '$ hubgate listen chat\n\n',
  h('i', '# a third one\n'), '$ hubgate send all chat newMessage hello\n',
]);

export default {
  extends: DefaultTheme,
  Layout: () => h(DefaultTheme.Layout, null, { 'home-hero-image': terminal }),
};
