-- What a page needs beyond its notebook: the paper's equation numbers, links to them, and signatures without Markdown

local THEORY = "/theory_taylor.html" -- where the paper's equations stand
local own = {} -- the equations of this page

-- `\tag{14}` becomes a visible number (MathML has no tags) and a place to link to
local function number_equation(math)
  local number = math.mathtype == "DisplayMath" and math.text:match("\\tag{(%d+)}")
  if not number then return end
  own[number] = true
  math.text = math.text:gsub("\\tag{%d+}", "\\qquad(" .. number .. ")")
  return pandoc.Span(math, { id = "eq" .. number })
end

local function link(text, number)
  return pandoc.Link(text, (own[number] and "" or THEORY) .. "#eq" .. number)
end

-- "Eq. 4" becomes a link, and so do the numbers after it in "Eq. 4, 5 and 6"
local function link_equations(inlines)
  local out, listing = pandoc.List(), false
  for _, inline in ipairs(inlines) do
    local before, number, after = "", nil, nil
    if inline.t == "Str" then before, number, after = inline.text:match("^(%(*)(%d+)(.*)$") end
    local last = out[#out - 1]
    local named = last and last.t == "Str" and last.text:match("^[%p]*Eq%.$")
    if number and named then
      local open = last.text:match("^(.-)Eq%.$")
      out[#out] = nil
      out[#out] = nil
      if open ~= "" then out:insert(pandoc.Str(open)) end
      out:insert(link("Eq.\u{a0}" .. number, number))
    elseif number and listing then
      out:insert(link(number, number))
    else
      out:insert(inline)
    end
    if number and (named or listing) then
      if after ~= "" then out:insert(pandoc.Str(after)) end
      listing = after == "," or after == ""
    elseif inline.t ~= "Space" and inline.t ~= "SoftBreak" and not (inline.t == "Str" and inline.text == "and") then
      listing = false
    end
  end
  return out
end

-- "17.9 ± 3.7" never breaks over two lines
local function keep_deviation(inlines)
  for i = 2, #inlines - 1 do
    local near = (inlines[i - 1].text or "") .. " " .. (inlines[i + 1].text or "")
    if inlines[i].t == "Space" and near:match("±") then inlines[i] = pandoc.Str("\u{a0}") end
  end
  return inlines
end

-- Marks of what a cell is for, in the order in which they decide
local PURPOSES = {
  { "Code of the figure", { "plt.", "image_grid(", "_slider(", "set_browser(", "Chooser(", "box_grid(", "_curves(", "_figure(", "plot_", "Picture(" } },
  { "Code of the table", { "md_table(", "Markdown(", "_table(" } },
  { "Code of a long run", { "run_slow(" } },
  { "Test", { "test_eq(", "test_close(", "expect_fail(", "assert " } },
}

-- What a folded cell holds: imports, the source of some names, a figure, a table, a test, or other code
local function fold_label(text)
  local names, imports, other = pandoc.List(), false, false
  for line in text:gmatch("[^\n]+") do
    local name = line:match("^def ([%w_]+)") or line:match("^class ([%w_]+)")
    if name then
      names:insert("`" .. name .. "`")
    elseif line:match("^import ") or line:match("^from ") then
      imports = true
    elseif line:match("^%w") and not line:match("^[%w_]+ ?[:=]") then
      other = true
    end
  end
  if imports and #names == 0 and not other then return "Imports" end
  if #names > 0 and not other then
    return "Source of " .. table.concat(names, ", ", 1, math.min(#names, 3)) .. (#names > 3 and " and others" or "")
  end
  for _, purpose in ipairs(PURPOSES) do
    for _, mark in ipairs(purpose[2]) do
      if text:find(mark, 1, true) then return purpose[1] end
    end
  end
  return "Code"
end

-- A fold says what it holds; a documented name in a signature's comment is plain text, and a type has its bare name
local function plain_code(block)
  if block.classes:includes("cell-code") and not block.attributes["code-summary"] then
    block.attributes["code-summary"] = fold_label(block.text)
  end
  block.text = block.text:gsub("%[`([^`]+)`%]%([^)]*%)", "%1"):gsub("__main__%.", ""):gsub("<(%w+) object at 0x%x+>", "%1()")
  if block.text:match("^%s*def ") or block.text:match("^%s*class ") then block.text = block.text:gsub("teddy_nb%.[%l_%.]+%.(%u)", "%1") end
  return block
end

local function is_open_cell(block)
  local code = block.t == "Div" and block.content[1]
  return code and code.t == "CodeBlock" and code.attributes["code-fold"] == "false"
end

local function is_signature(block)
  if block.t == "CodeBlock" then return not block.classes:includes("cell-code") end
  return block.t == "Para" and #block.content == 1 and block.content[1].t == "Emph"
end

local function is_heading(block)
  return block.t == "Header" or block.t == "HorizontalRule"
    or (block.t == "Para" and pandoc.utils.stringify(block) == "source")
end

-- Where the source of a documented name stands open, its signature and docstring are not said twice
local function drop_repeated_signatures(blocks)
  local open = false
  for i = #blocks, 1, -1 do
    if open and is_signature(blocks[i]) then
      blocks:remove(i)
    else
      open = is_open_cell(blocks[i]) or (open and is_heading(blocks[i]))
    end
  end
  return blocks
end

-- The cell of class "first" stands at the head of its page
local function move_first(doc)
  for i, block in ipairs(doc.blocks) do
    if block.t == "Div" and block.classes:includes("first") then
      doc.blocks:remove(i)
      doc.blocks:insert(1, block)
      return doc
    end
  end
end

return {
  { Pandoc = move_first },
  { Math = number_equation },
  {
    traverse = "topdown",
    Header = function(header) return header, false end,
    Link = function(link) return link, false end,
    Inlines = function(inlines) return link_equations(keep_deviation(inlines)) end,
    CodeBlock = plain_code,
    Blocks = drop_repeated_signatures,
  },
}
