const ts=require('typescript'),fs=require('fs'),path=require('path');
const walk=d=>fs.readdirSync(d,{recursive:true}).map(f=>path.join(d,f)).filter(f=>/\.(ts|mjs|js)$/.test(f)&&!f.includes('node_modules')&&!f.endsWith('.d.ts'));
const files=[...walk('src'),...walk('test'),...walk('scripts'),...(fs.existsSync('examples')?walk('examples'):[])];
const text=Object.fromEntries(files.map(f=>[f,fs.readFileSync(f,'utf8')]));
const rooms=process.argv.slice(2);
for(const f of files.filter(f=>f.startsWith('src/')&&rooms.some(r=>f.startsWith(r)))){
 const sf=ts.createSourceFile(f,text[f],99,true);
 for(const s of sf.statements){
  if(!s.modifiers?.some(m=>m.kind===ts.SyntaxKind.ExportKeyword))continue;
  const names=s.declarationList?s.declarationList.declarations.map(d=>d.name.getText()):s.name?[s.name.text]:[];
  for(const n of names){const re=new RegExp('\\b'+n.replace('$','\\$')+'\\b');
   const users=files.filter(g=>g!==f&&re.test(text[g]));
   const own=(text[f].match(new RegExp('\\b'+n+'\\b','g'))||[]).length;
   const src=users.filter(u=>u.startsWith('src/'));
   if(!src.length)console.log(f,n,users.length?'TEST ONLY '+users.map(u=>path.basename(u)).join(' '):own>1?'own file only':'DEAD');
  }}}
